// The library's kernels run on ONNX Runtime's own threads: one pool, so nothing
// competes, and `threads` of a trial is what it says. The library's scheduler is
// one of the process, but an inference hands its kernels over on its own thread,
// so what belongs to the inference is found by thread.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>

#include "arm_compute/runtime/IScheduler.h"
#include "onnxruntime_c_api.h"

namespace chexp {

// While one lives, kernels that this thread schedules run on `threads` threads
// of the inference's session.
class Inference {
 public:
  Inference(const OrtApi* api, const OrtKernelContext* context, unsigned threads);
  ~Inference();
  Inference(const Inference&) = delete;

  const OrtApi* api;
  const OrtKernelContext* context;
  unsigned threads;
};

// Calls work(i) for 0 <= i < n, on the threads of this thread's inference.
// Exceptions of the work come out here.
void parallel(size_t n, const std::function<void(size_t)>& work);

unsigned threads();

// Calls work(first, last) for parts of 0..n that cover it: a few on each thread,
// none smaller than `least` but the last.
template <typename Work>
void parallel_parts(size_t n, size_t least, const Work& work) {
  const size_t parts = threads() == 1 ? 1 : std::max<size_t>(1, std::min<size_t>(n / least, 4 * threads()));
  const size_t part = (n + parts - 1) / parts;
  parallel(parts, [&](size_t i) {
    if (i * part < n) work(i * part, std::min(n, (i + 1) * part));
  });
}

// Makes the library use it; once per process.
void install_scheduler();

}  // namespace chexp
