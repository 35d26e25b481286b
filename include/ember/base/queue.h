// SPDX-License-Identifier: Apache-2.0
// A queue between threads: producers append, the consumer takes everything that is queued.
#pragma once

#include <chrono>
#include <utility>
#include <vector>

#include "ember/base/mutex.h"

namespace ember {

// Has no limit of its own; admission limits what is queued. Thread-safe.
template <class T>
class Queue {
 public:
  // Returns true when the queue was empty before. A consumer that waits for something else, such as
  // an eventfd, must then be woken.
  bool push(T item) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    const bool was_empty = items_.empty();
    items_.push_back(std::move(item));
    if (was_empty) cv_.notify_one();
    return was_empty;
  }

  // Removes and returns everything that is queued, oldest first.
  std::vector<T> take_all() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return std::exchange(items_, {});
  }

  // As take_all, but an empty queue is waited for up to `timeout`.
  std::vector<T> wait_all(std::chrono::nanoseconds timeout) EXCLUDES(mu_) {
    const auto until = std::chrono::steady_clock::now() + timeout;
    MutexLock lock(mu_);
    while (items_.empty()) {
      const auto left = until - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds::zero()) break;
      cv_.wait_for(mu_, left);
    }
    return std::exchange(items_, {});
  }

 private:
  Mutex mu_;
  CondVar cv_;
  std::vector<T> items_ GUARDED_BY(mu_);
};

}  // namespace ember
