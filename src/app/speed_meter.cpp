// SPDX-License-Identifier: Apache-2.0
#include "speed_meter.h"

namespace ember {

void SpeedMeter::on_step(std::vector<TokenOutput> events, const StepReport& report) {
  metrics_.step(report);
  measure(report.num_tokens, Clock::now());
  next_.on_step(std::move(events), report);
}

void SpeedMeter::measure(int num_tokens, TimePoint now) {
  constexpr Duration kWindow = std::chrono::seconds(1);
  if (num_tokens == 0 || window_begin_ == TimePoint{}) {  // idle time is not slowness
    window_begin_ = now;
    window_tokens_ = 0;
    return;
  }
  window_tokens_ += num_tokens;
  if (now - window_begin_ < kWindow) return;
  tokens_per_second_.store(static_cast<double>(window_tokens_) / seconds(now - window_begin_),
                           std::memory_order_relaxed);
  window_begin_ = now;
  window_tokens_ = 0;
}

}  // namespace ember
