#include "app/speed_meter.h"

namespace ember {

void SpeedMeter::on_step(std::vector<TokenOutput> events, const StepReport& report) {
  constexpr Duration kWindow = std::chrono::seconds(1);
  metrics_.step(report);
  const TimePoint now = Clock::now();
  if (report.num_tokens == 0 || window_begin_ == TimePoint{}) {  // idle time is not slowness
    window_begin_ = now;
    window_tokens_ = 0;
  } else {
    window_tokens_ += report.num_tokens;
    if (now - window_begin_ >= kWindow) {
      tokens_per_second_.store(static_cast<double>(window_tokens_) / seconds(now - window_begin_), std::memory_order_relaxed);
      window_begin_ = now;
      window_tokens_ = 0;
    }
  }
  next_.on_step(std::move(events), report);
}

}  // namespace ember
