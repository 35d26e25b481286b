// SPDX-License-Identifier: Apache-2.0
// A fixed set of threads that share out the tasks of one operation at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace ember::cpu {

class ThreadPool {
 public:
  // num_threads includes the one that calls run(). Fewer, where the system gives no more.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(task, thread) for each task in [0, num_tasks), each exactly once, and returns when
  // all are done. thread is in [0, num_threads()). A thread takes up to most_together neighbouring
  // tasks at once, fewer towards the end: for tasks that take equally long and read neighbouring
  // memory, which is fetched ahead along a stretch. Called by one thread at a time; never from
  // inside a body.
  template <class Body>
  void run(int num_tasks, const Body& body, int most_together = 1) {
    run(
        num_tasks,
        [](const void* b, int task, int thread) { (*static_cast<const Body*>(b))(task, thread); },
        &body, most_together);
  }

 private:
  using Function = void (*)(const void* body, int task, int thread);

  void run(int num_tasks, Function function, const void* body, int most_together);
  void work(int thread);
  void take_tasks(int thread);

  std::vector<std::thread> workers_;
  Function function_ = nullptr;
  const void* body_ = nullptr;
  int num_tasks_ = 0, most_together_ = 1;
  std::atomic<int> next_task_{0};
  std::atomic<int> num_busy_{0};    // workers that have not finished the present round
  std::atomic<uint32_t> round_{0};  // changes when there is work, and at the end
  std::atomic<bool> stopping_{false};
};

// Calls body(row) for each row, a few rows as one task, so that small operations wake nobody.
template <class Body>
void for_rows(ThreadPool& pool, int64_t rows, const Body& body) {
  constexpr int64_t kRows = 8;
  pool.run(static_cast<int>((rows + kRows - 1) / kRows), [&](int task, int) {
    const int64_t begin = task * kRows, end = begin + kRows < rows ? begin + kRows : rows;
    for (int64_t t = begin; t < end; ++t) body(t);
  });
}

}  // namespace ember::cpu
