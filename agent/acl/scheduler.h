// The library's kernels run on ONNX Runtime's own threads: one pool, so nothing
// competes, and `threads` of a trial is what it says. The library's scheduler is
// one of the process, but an inference hands its kernels over on its own thread,
// so what belongs to the inference is found by thread.
#pragma once

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

// Makes the library use it; once per process.
void install_scheduler();

}  // namespace chexp
