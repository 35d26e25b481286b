// SPDX-License-Identifier: Apache-2.0
// Monotonic time only: wall-clock jumps decide nothing.
#pragma once

#include <chrono>

namespace ember {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

inline constexpr TimePoint kNever = TimePoint::max();

inline double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace ember
