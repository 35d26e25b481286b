// SPDX-License-Identifier: Apache-2.0
// Where some threads meet again and again.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>

namespace ember {

// Thrown to whoever would wait for a thread that does not come any more.
struct RanksAborted : std::exception {
  const char* what() const noexcept override { return "another rank has failed"; }
};

class Rendezvous {
 public:
  explicit Rendezvous(int num_threads) : num_threads_(num_threads) {}

  int num_threads() const { return num_threads_; }
  // Waits until all of the threads have called it as often. What each did before, all see after.
  // Throws RanksAborted after abort(), also to those that wait.
  void meet();
  // For ever. Any thread.
  void abort() noexcept;
  bool aborted() const noexcept { return aborted_.load(std::memory_order_acquire); }

 private:
  const int num_threads_;
  std::atomic<int> num_arrived_{0};
  std::atomic<uint32_t> round_{0};
  std::atomic<bool> aborted_{false};
};

}  // namespace ember
