// SPDX-License-Identifier: Apache-2.0
// Monotonic time. A change of the wall clock has no effect on it.
#pragma once

#include <chrono>

namespace ember {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

inline constexpr TimePoint kNever = TimePoint::max();

inline double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace ember
