// SPDX-License-Identifier: Apache-2.0
// The thread that loads, runs and destroys one engine and its device.
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

// For how long an engine's thread may show no sign of life before it is held to wait for a device
// that hangs. Default: for ever.
struct Patience {
  Duration loading = Duration::max();  // between two calls of `progress`, and after the last one
  Duration serving = Duration::max();  // for one trip through the engine's loop, and for its end
};

// Opens, loads, runs and destroys an engine on one thread, as a device wants it: which device is
// meant, and what it has been told, belongs to a thread. The functions are for one thread, the
// owner's.
class EngineThread {
 public:
  // Makes the engine and its runner. Calls `progress` while it loads, and does not catch what that
  // throws. May throw any exception; most are StartError.
  using Factory = std::function<std::unique_ptr<Engine>(const LoadProgress& progress)>;

  // Starts the thread, which calls `make` and then serves.
  explicit EngineThread(Factory make, const Patience& patience = {});
  ~EngineThread();  // stop(), which must not be false
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Waits until `make` has returned or thrown, or the time is over (false).
  bool wait_made(Duration timeout) const;
  // The progress of the loading as last reported; 0 of 0 before the first report.
  size_t bytes_done() const { return bytes_done_.load(std::memory_order_relaxed); }
  size_t bytes_total() const { return bytes_total_.load(std::memory_order_relaxed); }

  // Waits for the engine. It may be kept, and called after it has stopped serving. Rethrows what
  // `make` threw; throws LoadStopped after an early stop().
  std::shared_ptr<Engine> engine() const { return engine_made_.get(); }

  // Whether the thread's silence is longer than it may be. To be asked again and again, and up to a
  // second late: a process that was stopped for a while is not taken for one that hangs.
  //
  // A thread that hangs stays where it is, in a call of the device's library, and so does all that
  // it uses: nothing of it may be destroyed, and the process is to be ended by _exit.
  bool hangs();

  // Ends the loading at its next sign of progress, or the engine after its current step, and waits
  // for the thread. False: it hangs, and was not waited for.
  bool stop();

 private:
  void live(const Factory& make);
  void serve(const Factory& make);
  bool hangs_locked() REQUIRES(mu_);
  std::shared_ptr<Engine> keep(std::shared_ptr<Engine> engine);
  void on_progress(size_t bytes_done, size_t bytes_total);

  const Patience patience_;
  std::promise<std::shared_ptr<Engine>> made_;
  std::shared_future<std::shared_ptr<Engine>> engine_made_;
  std::atomic<size_t> bytes_done_{0}, bytes_total_{0};
  std::atomic<Duration::rep> last_sign_;  // of loading
  Mutex mu_;
  CondVar end_;
  bool stopping_ GUARDED_BY(mu_) = false;
  bool ended_ GUARDED_BY(mu_) = false;
  // The last sign of life that was found to be too long ago, and when that was found.
  TimePoint late_sign_ GUARDED_BY(mu_) = kNever, late_since_ GUARDED_BY(mu_) = kNever;
  std::shared_ptr<Engine> engine_ GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace ember
