// SPDX-License-Identifier: Apache-2.0
#include "bounded_thread.h"

#include <pthread.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "ember/base/mutex.h"

namespace ember {

namespace {

constexpr size_t kStackBytes = 64 << 20;  // only what is touched is ever allocated
constexpr Duration kLook = std::chrono::milliseconds(20);

struct Shared {
  std::function<void()> work;
  Mutex mu;
  CondVar changed;
  bool done GUARDED_BY(mu) = false;
  bool has_clock GUARDED_BY(mu) = false;
  clockid_t clock GUARDED_BY(mu) = {};  // of the thread, valid until it is done
};

void* run(void* argument) {
  const std::unique_ptr<std::shared_ptr<Shared>> holder(
      static_cast<std::shared_ptr<Shared>*>(argument));
  Shared& shared = **holder;
  {
    MutexLock lock(shared.mu);
    shared.has_clock = ::pthread_getcpuclockid(::pthread_self(), &shared.clock) == 0;
  }
  shared.work();
  shared.work = nullptr;  // what it owns goes first
  MutexLock lock(shared.mu);
  shared.done = true;
  shared.changed.notify_all();
  return nullptr;
}

}  // namespace

BoundedResult run_bounded(std::function<void()> work, Duration cpu_time, TimePoint until) {
  const auto shared = std::make_shared<Shared>();
  shared->work = std::move(work);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  auto holder = std::make_unique<std::shared_ptr<Shared>>(shared);
  pthread_t thread;
  const bool started = ::pthread_create(&thread, &attributes, run, holder.get()) == 0;
  ::pthread_attr_destroy(&attributes);
  if (!started) return BoundedResult::kNotStarted;
  [[maybe_unused]] const auto* the_threads = holder.release();

  MutexLock lock(shared->mu);
  while (!shared->done) {
    timespec used{};
    if (shared->has_clock) ::clock_gettime(shared->clock, &used);
    const bool too_long =
        std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec) >= cpu_time;
    if (too_long || Clock::now() >= until) return BoundedResult::kTooLong;
    shared->changed.wait_for(shared->mu, kLook);
  }
  return BoundedResult::kDone;
}

}  // namespace ember
