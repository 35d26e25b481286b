// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/engine_thread.h"

#include <exception>

namespace ember {

EngineThread::EngineThread(Factory make)
    : engine_made_(made_.get_future()), thread_([this, make = std::move(make)] { live(make); }) {}

EngineThread::~EngineThread() { stop(); }

bool EngineThread::wait_made(Duration timeout) const {
  return engine_made_.wait_for(timeout) == std::future_status::ready;
}

void EngineThread::stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    if (engine_) engine_->stop();
  }
  if (thread_.joinable()) thread_.join();
}

void EngineThread::live(const Factory& make) {
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

// From here on stop() reaches the engine itself. What is not kept is destroyed here, on its thread.
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
}

}  // namespace ember
