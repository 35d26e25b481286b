// SPDX-License-Identifier: Apache-2.0
// What the sources of the fake runtime ask of one another.
#pragma once

#include "fake_runtime.h"

namespace fake_cuda {

bool does_nothing();                  // see do_nothing()
bool recording(cudaStream_t stream);  // a graph
void count(uint64_t Stats::* counter, uint64_t n = 1);

}  // namespace fake_cuda
