// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/engine_thread.h"

#include <sys/prctl.h>

#include <exception>

#include "ember/base/check.h"

namespace ember {

namespace {

// Who polls the device sleeps some microseconds at a time; by default the kernel adds up to 50.
constexpr unsigned long kTimerSlackNs = 1000;
constexpr Duration kLook = std::chrono::milliseconds(20);  // stop() looks at the thread so often
// A process that was stopped (SIGSTOP, a frozen container) finds its engine late when it goes on:
// the engine gets so long to give another sign.
constexpr Duration kSecondLook = std::chrono::seconds(1);

}  // namespace

EngineThread::EngineThread(Factory make, const Patience& patience)
    : patience_(patience),
      engine_made_(made_.get_future()),
      last_sign_(Clock::now().time_since_epoch().count()),
      thread_([this, make = std::move(make)] { live(make); }) {}

EngineThread::~EngineThread() { CHECK(stop(), "an engine is destroyed whose device hangs"); }

bool EngineThread::wait_made(Duration timeout) const {
  return engine_made_.wait_for(timeout) == std::future_status::ready;
}

bool EngineThread::hangs() {
  MutexLock lock(mu_);
  return hangs_locked();
}

bool EngineThread::hangs_locked() {
  const TimePoint sign =
      engine_ ? engine_->last_progress() : TimePoint(Duration(last_sign_.load()));
  const TimePoint now = Clock::now();
  if (ended_ || now - sign <= (engine_ ? patience_.serving : patience_.loading)) return false;
  if (sign != late_sign_) {
    late_sign_ = sign;
    late_since_ = now;
  }
  return now - late_since_ >= kSecondLook;
}

bool EngineThread::stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    if (engine_) engine_->stop();
    while (!ended_) {
      if (hangs_locked()) return false;
      end_.wait_for(mu_, kLook);
    }
  }
  if (thread_.joinable()) thread_.join();
  return true;
}

void EngineThread::live(const Factory& make) {
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs);
  serve(make);
  MutexLock lock(mu_);
  ended_ = true;
  end_.notify_all();
}

void EngineThread::serve(const Factory& make) {
  std::shared_ptr<Engine> engine;
  try {
    engine = keep(make([this](size_t done, size_t total) { on_progress(done, total); }));
  } catch (...) {
    made_.set_exception(std::current_exception());
    return;
  }
  made_.set_value(engine);
  engine->run();
}

// Makes the engine known to stop(). After a stop() it throws instead, and the engine is destroyed
// on this thread, its own.
std::shared_ptr<Engine> EngineThread::keep(std::shared_ptr<Engine> engine) {
  MutexLock lock(mu_);
  if (stopping_) throw LoadStopped();
  engine_ = engine;
  return engine;
}

void EngineThread::on_progress(size_t bytes_done, size_t bytes_total) {
  {
    MutexLock lock(mu_);
    if (stopping_) throw LoadStopped();
  }
  bytes_done_.store(bytes_done, std::memory_order_relaxed);
  bytes_total_.store(bytes_total, std::memory_order_relaxed);
  last_sign_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace ember
