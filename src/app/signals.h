// SPDX-License-Identifier: Apache-2.0
// Signals as values: blocked in every thread, waited for in one.
#pragma once

#include <atomic>
#include <thread>

#include "ember/base/clock.h"
#include "ember/base/mutex.h"

namespace ember {

// Make it in main before any other thread: those inherit the blocked signals.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // How often SIGTERM or SIGINT came. Any thread.
  int stops() const { return stops_.load(std::memory_order_acquire); }
  // How often SIGHUP came. Any thread.
  int reloads() const { return reloads_.load(std::memory_order_acquire); }
  // Waits until stops() exceeds `seen` or the time is over.
  void wait(int seen, Duration timeout);

 private:
  void loop();

  std::atomic<int> stops_{0}, reloads_{0};
  std::atomic<bool> done_{false};
  Mutex mu_;
  CondVar cv_;
  std::thread thread_;
};

}  // namespace ember
