// SPDX-License-Identifier: Apache-2.0
// A queue of the emulated machine whose kernels run in the caller's thread.
#pragma once

#include "kernels/common.h"

namespace ember::kernels {

inline Queue emulator_queue(int sm, int num_sms = 3) {
  return {.stream = nullptr, .sm = sm, .num_sms = num_sms, .pdl = sm == 90};
}

}  // namespace ember::kernels
