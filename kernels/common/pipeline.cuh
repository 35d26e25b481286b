// SPDX-License-Identifier: Apache-2.0
// A ring of shared-memory stages between a producer and its consumers: each stage has a barrier
// `full` and a barrier `empty`.
#pragma once

#include "kernels/common/ptx.cuh"

namespace ember::kernels {

// Where one side is in the ring. Consumers wait for full(stage) with `phase`; the producer waits
// for empty(stage) with the opposite of it, so that its first pass finds every stage free.
template <int kStages>
struct RingPosition {
  int stage = 0, phase = 0;

  EMBER_DEVICE void advance() {
    if (++stage == kStages) stage = 0, phase ^= 1;
  }
  EMBER_DEVICE RingPosition next() const {
    RingPosition after = *this;
    after.advance();
    return after;
  }
};

}  // namespace ember::kernels
