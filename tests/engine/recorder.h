// SPDX-License-Identifier: Apache-2.0
// An OutputSink that keeps everything and lets tests wait for it.
#pragma once

#include <map>

#include "ember/base/mutex.h"
#include "ember/engine/engine.h"

namespace ember {

class Recorder final : public OutputSink {
 public:
  struct Answer {
    std::vector<int32_t> tokens;
    std::vector<TokenOutput> events;
    FinishReason finish = FinishReason::kNone;
    int num_finals = 0;
  };

  void on_step(std::vector<TokenOutput> events, const StepReport& report) override {
    MutexLock lock(mu_);
    for (TokenOutput& event : events) {
      Answer& answer = answers_[event.request_id];
      if (event.token >= 0) answer.tokens.push_back(event.token);
      if (event.finish != FinishReason::kNone) {
        answer.finish = event.finish;
        ++answer.num_finals;
        ++num_finished_;
      }
      answer.events.push_back(std::move(event));
    }
    last_ = report;
    ++num_steps_;
    cv_.notify_all();
  }

  // True once n answers have ended; false after 60 seconds without.
  bool wait_finished(int n) {
    return wait([&] { return num_finished_ >= n; });
  }
  bool wait_tokens(RequestId id, size_t n) {
    return wait([&] { return answers_[id].tokens.size() >= n; });
  }
  // Waits for a report made after this call.
  StepReport next_report() {
    const uint64_t seen = num_steps();
    wait([&] { return num_steps_ > seen + 1; });
    MutexLock lock(mu_);
    return last_;
  }
  Answer answer(RequestId id) {
    MutexLock lock(mu_);
    return answers_[id];
  }

 private:
  uint64_t num_steps() {
    MutexLock lock(mu_);
    return num_steps_;
  }
  template <class Condition>
  bool wait(const Condition& condition) {
    const TimePoint until = Clock::now() + std::chrono::seconds(60);
    MutexLock lock(mu_);
    while (!condition() && Clock::now() < until) cv_.wait_for(mu_, std::chrono::milliseconds(100));
    return condition();
  }

  Mutex mu_;
  CondVar cv_;
  std::map<RequestId, Answer> answers_;
  StepReport last_;
  uint64_t num_steps_ = 0;
  int num_finished_ = 0;
};

}  // namespace ember
