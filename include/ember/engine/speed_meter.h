// SPDX-License-Identifier: Apache-2.0
// How fast an engine works, measured while it has work.
#pragma once

#include <cstdint>

#include "ember/base/clock.h"

namespace ember {

// Used by one thread.
class SpeedMeter {
 public:
  // One step that ended at `now`; 0 tokens: there was nothing to do, and that time does not count.
  void measure(int num_tokens, TimePoint now);
  // Of the last second or more of work, prompt tokens and generated ones alike; 0: not known yet.
  double tokens_per_second() const { return tokens_per_second_; }

 private:
  TimePoint window_begin_{};
  int64_t window_tokens_ = 0;
  double tokens_per_second_ = 0;
};

}  // namespace ember
