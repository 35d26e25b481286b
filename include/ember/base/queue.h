// SPDX-License-Identifier: Apache-2.0
// The one way in which threads hand things to each other: producers append, the consumer takes all
// there is.
#pragma once

#include <chrono>
#include <utility>
#include <vector>

#include "ember/base/mutex.h"

namespace ember {

// Unbounded by itself: what is put in is bounded by admission. Thread-safe.
template <class T>
class Queue {
 public:
  // True when the queue was empty before: the consumer may need a wake-up that the queue does not
  // know of (an eventfd).
  bool push(T item) EXCLUDES(mu_) {
    MutexLock lock(mu_);
    const bool was_empty = items_.empty();
    items_.push_back(std::move(item));
    if (was_empty) cv_.notify_one();
    return was_empty;
  }

  // Everything queued, oldest first; empty when there is nothing.
  std::vector<T> take_all() EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return std::exchange(items_, {});
  }

  // As take_all, but waits up to `timeout` for something to come.
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
