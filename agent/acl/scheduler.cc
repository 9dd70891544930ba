#include "scheduler.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>

#include "arm_compute/core/CPP/CPPTypes.h"
#include "arm_compute/core/CPP/ICPPKernel.h"
#include "arm_compute/core/experimental/Types.h"
#include "arm_compute/runtime/Scheduler.h"

namespace chexp {

namespace {

thread_local Inference* current = nullptr;

struct Share {
  explicit Share(const std::function<void(size_t)>* w) : work(w) {}
  const std::function<void(size_t)>* work;
  std::atomic<bool> failed{false};
  std::mutex lock;
  std::exception_ptr error;
};

void run_share(void* data, size_t i) {
  auto* s = static_cast<Share*>(data);
  try {
    (*s->work)(i);
  } catch (...) {
    std::lock_guard<std::mutex> hold(s->lock);
    s->error = std::current_exception();
    s->failed = true;
  }
}

class OnRuntimeThreads : public arm_compute::IScheduler {
 public:
  void set_num_threads(unsigned) override {}  // the inference says how many
  unsigned num_threads() const override { return chexp::threads(); }

  void schedule(arm_compute::ICPPKernel* kernel, const Hints& hints) override {
    arm_compute::ITensorPack none;
    schedule_common(kernel, hints, kernel->window(), none);
  }

  void schedule_op(arm_compute::ICPPKernel* kernel, const Hints& hints, const arm_compute::Window& window,
                   arm_compute::ITensorPack& tensors) override {
    schedule_common(kernel, hints, window, tensors);
  }

 protected:
  // There may be more workloads than threads. Each thread begins with the one of
  // its own number (packing weights relies on that) and then takes the next. A
  // kernel finds its scratch memory by thread_id, so that stays the thread's.
  void run_workloads(std::vector<Workload>& workloads) override {
    size_t workers = std::min<size_t>(chexp::threads(), workloads.size());
    std::atomic<size_t> next{workers};
    parallel(workers, [&](size_t worker) {
      arm_compute::ThreadInfo info;
      info.cpu_info = &cpu_info();
      info.num_threads = int(workers);
      info.thread_id = int(worker);
      for (size_t i = worker; i < workloads.size(); i = next++) workloads[i](info);
    });
  }
};

}  // namespace

Inference::Inference(const OrtApi* a, const OrtKernelContext* c, unsigned t) : api(a), context(c), threads(std::max(1u, t)) { current = this; }
Inference::~Inference() { current = nullptr; }

unsigned threads() { return current ? current->threads : 1; }

void parallel(size_t n, const std::function<void(size_t)>& work) {
  if (!current || !current->context || n < 2 || current->threads < 2) {
    for (size_t i = 0; i < n; i++) work(i);
    return;
  }
  Share share(&work);
  OrtStatus* status = current->api->KernelContext_ParallelFor(current->context, run_share, n, n, &share);
  if (status) {
    std::string text = current->api->GetErrorMessage(status);
    current->api->ReleaseStatus(status);
    throw std::runtime_error(text);
  }
  if (share.failed) std::rethrow_exception(share.error);
}

void install_scheduler() {
  static std::once_flag once;
  std::call_once(once, [] { arm_compute::Scheduler::set(std::make_shared<OnRuntimeThreads>()); });
}

}  // namespace chexp
