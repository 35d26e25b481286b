// SPDX-License-Identifier: Apache-2.0
// How long a kernel asks for something that must come: some seconds, longer than any kernel takes
// that it may have to wait for, shorter than the host waits for the device.
#pragma once

#include <cstdint>

namespace ember::kernels {

class Patience {
 public:
  static constexpr uint32_t kTries = 1024;  // between two looks at the clock
  static constexpr uint32_t kTicks = 3;     // of 2^32 ns: it ends after 8.6 to 12.9 seconds

  // After a try: whether to look at the clock now.
  constexpr bool looks() { return ++tries_ % kTries == 0; }
  // The clock says so many ticks: whether it is over.
  constexpr bool ends(uint32_t tick) {
    if (tries_ == kTries) first_ = tick;
    return tick - first_ >= kTicks;
  }

 private:
  uint32_t tries_ = 0, first_ = 0;
};

}  // namespace ember::kernels
