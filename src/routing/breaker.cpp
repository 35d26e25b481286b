// SPDX-License-Identifier: Apache-2.0
#include "ember/routing/breaker.h"

#include <algorithm>
#include <cmath>

namespace ember {

namespace {

constexpr int kBadAnswers = 3;   // in a row, that open it
constexpr int kGoodAnswers = 3;  // that close it
constexpr std::chrono::seconds kGoodSteps{30};
constexpr int kRebuilds = 6;
constexpr double kFirstBackOff = 1, kLongestBackOff = 60;  // seconds

}  // namespace

Breaker::State Breaker::state(TimePoint now) const {
  if (out_of_service_) return State::kOutOfService;
  if (closed_) return State::kClosed;
  return ready_ && now >= retry_at_ ? State::kHalfOpen : State::kOpen;
}

void Breaker::failed(TimePoint now) {
  if (failures_ == kRebuilds) out_of_service_ = true;
  if (out_of_service_) return;
  ++failures_;
  closed_ = ready_ = false;
  good_answers_ = bad_answers_ = 0;
  first_step_ = kNever;
  const double longest = std::min(std::ldexp(kFirstBackOff, openings_++), kLongestBackOff);
  const std::chrono::duration<double> back_off(random_.uniform() * longest);
  retry_at_ = now + std::chrono::duration_cast<Duration>(back_off);
}

void Breaker::rebuilt(TimePoint now) {
  if (state(now) == State::kOpen) ready_ = true;
}

void Breaker::good_answer(TimePoint now) {
  bad_answers_ = 0;
  const State before = state(now);
  if (before != State::kClosed && before != State::kHalfOpen) return;
  failures_ = 0;
  if (before == State::kHalfOpen && ++good_answers_ == kGoodAnswers) close();
}

void Breaker::bad_answer(TimePoint now) {
  const State before = state(now);
  if (before == State::kHalfOpen || (before == State::kClosed && ++bad_answers_ == kBadAnswers))
    failed(now);
}

void Breaker::good_step(TimePoint now) {
  if (state(now) != State::kHalfOpen) return;
  first_step_ = std::min(first_step_, now);
  if (now - first_step_ >= kGoodSteps) close();
}

void Breaker::restart() {
  if (!out_of_service_) return;
  out_of_service_ = closed_ = ready_ = false;
  failures_ = openings_ = 0;
}

void Breaker::close() {
  closed_ = true;
  openings_ = 0;
}

}  // namespace ember
