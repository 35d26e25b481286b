// SPDX-License-Identifier: Apache-2.0
#include "signals.h"

#include <csignal>
#include <cstring>

#include "ember/base/log.h"

namespace ember {

namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGRTMIN})
    sigaddset(&set, signal);
  return set;
}

}  // namespace

Signals::Signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { loop(); });
}

Signals::~Signals() {
  done_ = true;
  pthread_kill(thread_.native_handle(), SIGRTMIN);  // wakes the loop; nobody else sends it
  thread_.join();
}

void Signals::loop() {
  const sigset_t set = handled_signals();
  while (!done_) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0 || done_) continue;
    if (signal == SIGTERM || signal == SIGINT) {
      spdlog::info("{} received", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      MutexLock lock(mu_);
      stops_.fetch_add(1, std::memory_order_release);
      cv_.notify_all();
    } else if (signal == SIGHUP) {
      reloads_.fetch_add(1, std::memory_order_release);
    } else if (signal != SIGPIPE) {
      spdlog::info("signal {} ({}) ignored", signal, strsignal(signal));
    }
  }
}

void Signals::wait(int seen, Duration timeout) {
  const TimePoint until = Clock::now() + timeout;
  MutexLock lock(mu_);
  while (stops() <= seen && Clock::now() < until) cv_.wait_for(mu_, until - Clock::now());
}

}  // namespace ember
