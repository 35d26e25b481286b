// SPDX-License-Identifier: Apache-2.0
#include "cuda/step_staging.h"

#include <cstring>

#include "cuda/error.h"

namespace ember::cuda {

bool StepStaging::write(void* to, const void* from, size_t bytes, const Stream& stream) {
  const PinnedBuffer& half = halves_[turn_ % halves_.size()];
  if (used_ + bytes > half.size()) return false;
  std::byte* const copy = half.data() + used_;
  std::memcpy(copy, from, bytes);
  CUDA_CHECK(cudaMemcpyAsync(to, copy, bytes, cudaMemcpyHostToDevice, stream.get()));
  used_ += bytes;
  return true;
}

void StepStaging::next_step() {
  ++turn_;
  used_ = 0;
}

}  // namespace ember::cuda
