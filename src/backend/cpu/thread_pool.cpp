// SPDX-License-Identifier: Apache-2.0
#include "cpu/thread_pool.h"

#include <algorithm>
#include <system_error>

#include "ember/base/await_change.h"

namespace ember::cpu {

ThreadPool::ThreadPool(int num_threads) {
  for (int thread = 1; thread < num_threads; ++thread) try {
      workers_.emplace_back([this, thread] { work(thread); });
    } catch (const std::system_error&) {
      break;  // a limit of threads: fewer do it too
    }
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int num_tasks, Function function, const void* body, int most_together) {
  if (num_tasks <= 1 || workers_.empty()) {
    for (int task = 0; task < num_tasks; ++task) function(body, task, 0);
    return;
  }
  function_ = function;
  body_ = body;
  num_tasks_ = num_tasks;
  most_together_ = most_together;
  next_task_.store(0, std::memory_order_relaxed);
  num_busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  take_tasks(0);
  for (int busy = num_busy_.load(std::memory_order_acquire); busy != 0;
       busy = num_busy_.load(std::memory_order_acquire))
    await_change(num_busy_, busy);
}

void ThreadPool::work(int thread) {
  for (uint32_t seen = 0;; ++seen) {
    await_change(round_, seen);
    if (stopping_) return;
    take_tasks(thread);
    if (num_busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) num_busy_.notify_one();
  }
}

void ThreadPool::take_tasks(int thread) {
  const int share = 2 * num_threads();
  int begin = next_task_.load(std::memory_order_relaxed);
  while (begin < num_tasks_) {
    const int end = begin + std::clamp((num_tasks_ - begin) / share, 1, most_together_);
    if (!next_task_.compare_exchange_weak(begin, end, std::memory_order_relaxed)) continue;
    for (int task = begin; task < end; ++task) function_(body_, task, thread);
    begin = next_task_.load(std::memory_order_relaxed);
  }
}

}  // namespace ember::cpu
