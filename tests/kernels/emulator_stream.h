// SPDX-License-Identifier: Apache-2.0
// A stream of the emulated machine whose kernels run in the caller's thread.
#pragma once

#include "kernels/common.h"

namespace ember::kernels {

// Its grids ask for an early begin, also where no device grants one: the kernels of all devices
// keep the same rules. They get it within an emu::Chain.
inline StreamRef emulator_stream(int sm, int num_sms = 3) {
  const size_t kilobytes = sm == 80 ? 164 : sm < 90 ? 100 : 228;
  return {.handle = nullptr,
          .sm = sm,
          .num_sms = num_sms,
          .shared_per_sm = kilobytes << 10,
          .pdl = true};
}

}  // namespace ember::kernels
