// SPDX-License-Identifier: Apache-2.0
// What feed-forward layers do with their gates.
#pragma once

#include "kernels/common/numeric.cuh"

namespace ember::kernels {

EMBER_DEVICE float silu(float g) { return g / (1.0f + __expf(-g)); }

// g/2 (1 + tanh(u)) = g / (1 + e^-2u), u = sqrt(2/pi) (g + 0.044715 g^3).
EMBER_DEVICE float gelu_tanh(float g) {
  return g / (1.0f + __expf(-1.59576912f * g * (1.0f + 0.044715f * g * g)));
}

}  // namespace ember::kernels
