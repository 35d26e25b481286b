// SPDX-License-Identifier: Apache-2.0
#include "cuda/step_staging.h"

#include <cstring>

#include "cuda/error.h"

namespace ember::cuda {

bool StepStaging::write(void* to, const void* from, size_t bytes, const Stream& stream) {
  std::byte* const copy = take(bytes);
  if (copy == nullptr) return false;
  std::memcpy(copy, from, bytes);
  CUDA_CHECK(cudaMemcpyAsync(to, copy, bytes, cudaMemcpyHostToDevice, stream.get()));
  return true;
}

bool StepStaging::write_rows(void* to, const void* from, size_t pitch, size_t width, size_t rows,
                             const Stream& stream) {
  std::byte* const copy = take(width * rows);
  if (copy == nullptr) return false;
  for (size_t row = 0; row < rows; ++row)
    std::memcpy(copy + row * width, static_cast<const std::byte*>(from) + row * pitch, width);
  CUDA_CHECK(
      cudaMemcpy2DAsync(to, pitch, copy, width, width, rows, cudaMemcpyHostToDevice, stream.get()));
  return true;
}

std::byte* StepStaging::take(size_t bytes) {
  const PinnedBuffer& half = halves_[turn_ % halves_.size()];
  if (used_ + bytes > half.size()) return nullptr;
  used_ += bytes;
  return half.data() + used_ - bytes;
}

void StepStaging::next_step() {
  ++turn_;
  used_ = 0;
}

}  // namespace ember::cuda
