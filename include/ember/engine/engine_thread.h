// SPDX-License-Identifier: Apache-2.0
// The thread of one engine and its device, from first to last.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include "ember/base/clock.h"
#include "ember/base/mutex.h"
#include "ember/engine/engine.h"

namespace ember {

// Called while weights are loaded, on the thread that loads them. May throw to end the loading.
using LoadProgress = std::function<void(size_t bytes_done, size_t bytes_total)>;

// Thrown by EngineThread::engine() when stop() came before the engine was there.
struct LoadStopped {};

// Opens, loads, runs and destroys an engine on one thread, as a device wants it: which device is
// meant, and what it has been told, belongs to a thread. The functions are for one thread, the
// owner's.
class EngineThread {
 public:
  // Makes the engine and its runner. Calls `progress` while it loads, and lets through what that
  // throws. May throw what it likes, StartError above all.
  using Factory = std::function<std::unique_ptr<Engine>(const LoadProgress& progress)>;

  // Starts the thread, which calls `make` and then serves.
  explicit EngineThread(Factory make);
  ~EngineThread();  // stop()
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Waits until `make` has returned or thrown, or the time is over (false).
  bool wait_made(Duration timeout) const;
  // What was last told of the loading; 0 of 0 before.
  size_t bytes_done() const { return bytes_done_.load(std::memory_order_relaxed); }
  size_t bytes_total() const { return bytes_total_.load(std::memory_order_relaxed); }

  // Waits for the engine. Who keeps it may call it also when it serves no longer. Rethrows what
  // `make` threw; throws LoadStopped after an early stop().
  std::shared_ptr<Engine> engine() const { return engine_made_.get(); }

  // Ends the loading at its next sign of progress, or the engine after its current step, and waits
  // for the thread.
  void stop();

 private:
  void live(const Factory& make);
  std::shared_ptr<Engine> keep(std::shared_ptr<Engine> engine);
  void on_progress(size_t bytes_done, size_t bytes_total);

  std::promise<std::shared_ptr<Engine>> made_;
  std::shared_future<std::shared_ptr<Engine>> engine_made_;
  std::atomic<size_t> bytes_done_{0}, bytes_total_{0};
  Mutex mu_;
  bool stopping_ GUARDED_BY(mu_) = false;
  std::shared_ptr<Engine> engine_ GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace ember
