// SPDX-License-Identifier: Apache-2.0
// std::mutex and std::condition_variable with clang's thread-safety annotations.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define EMBER_ATTRIBUTE(x) __attribute__((x))
#else
#define EMBER_ATTRIBUTE(x)
#endif
#define GUARDED_BY(x) EMBER_ATTRIBUTE(guarded_by(x))
#define REQUIRES(...) EMBER_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) EMBER_ATTRIBUTE(locks_excluded(__VA_ARGS__))

namespace ember {

class EMBER_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() EMBER_ATTRIBUTE(acquire_capability()) { mu_.lock(); }
  void unlock() EMBER_ATTRIBUTE(release_capability()) { mu_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

class EMBER_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mu) EMBER_ATTRIBUTE(acquire_capability(mu)) : mu_(mu) { mu_.lock(); }
  ~MutexLock() EMBER_ATTRIBUTE(release_capability()) { mu_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

// Waits may wake spuriously: call them in a loop over the condition.
class CondVar {
 public:
  void wait(Mutex& mu) REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  // False when the time passed without a wake-up.
  bool wait_for(Mutex& mu, std::chrono::nanoseconds timeout) REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    const bool woken = cv_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return woken;
  }
  void notify_one() { cv_.notify_one(); }
  void notify_all() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace ember
