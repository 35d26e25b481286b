// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/speed_meter.h"

namespace ember {

void SpeedMeter::measure(int num_tokens, TimePoint now) {
  constexpr Duration kWindow = std::chrono::seconds(1);
  if (num_tokens == 0 || window_begin_ == TimePoint{}) {
    window_begin_ = now;
    window_tokens_ = 0;
    return;
  }
  window_tokens_ += num_tokens;
  if (now - window_begin_ < kWindow) return;
  tokens_per_second_ = static_cast<double>(window_tokens_) / seconds(now - window_begin_);
  window_begin_ = now;
  window_tokens_ = 0;
}

}  // namespace ember
