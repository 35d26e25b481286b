// SPDX-License-Identifier: Apache-2.0
// May a replica be asked?
#pragma once

#include <cstdint>

#include "ember/base/clock.h"
#include "ember/base/random.h"

namespace ember {

// closed: yes. open: no; its owner rebuilds it. half-open: it is rebuilt and has to prove itself.
// out of service: it was rebuilt six times in a row and gave no good answer; only restart() helps.
//
//   closed -> open            failed(), or three bad answers in a row
//   open -> half-open         rebuilt(), and the back-off has passed: a random time below 1 s times
//                             2 for each time it opened since it was closed, 60 s at most
//   half-open -> closed       three good answers, or 30 s of steps without a failure
//   half-open -> open         failed(), or one bad answer
//   any -> out of service     the seventh failure without a good answer in between
//
// A pure state machine: the time is an argument and never goes back.
class Breaker {
 public:
  enum class State { kClosed, kOpen, kHalfOpen, kOutOfService };

  explicit Breaker(uint64_t seed) : random_(seed) {}

  State state(TimePoint now) const;
  // The replica died, hangs, or could not be rebuilt.
  void failed(TimePoint now);
  // It can take requests again.
  void rebuilt(TimePoint now);
  // It answered a request.
  void good_answer(TimePoint now);
  // A request ended because of the replica. What is the request's own fault is no answer at all.
  void bad_answer(TimePoint now);
  // It ended a step.
  void good_step(TimePoint now);
  // The operator's: whoever is out of service gets six new rebuilds.
  void restart();

 private:
  void close();

  Random random_;
  bool closed_ = true, ready_ = true, out_of_service_ = false;
  TimePoint retry_at_{};
  TimePoint first_step_ = kNever;  // since it is half-open
  int openings_ = 0;               // since it was closed
  int failures_ = 0;               // since its last good answer
  int good_answers_ = 0;           // since it is half-open
  int bad_answers_ = 0;            // in a row
};

}  // namespace ember
