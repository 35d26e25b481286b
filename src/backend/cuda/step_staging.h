// SPDX-License-Identifier: Apache-2.0
// What a step sends to the device, kept unchanged until the device has it.
#pragma once

#include <array>
#include <cstddef>

#include "cuda/memory.h"

namespace ember::cuda {

// Two halves of pinned memory by turns: what was written in a step stays until the step after the
// next one begins, which is when the first has been waited for.
class StepStaging {
 public:
  explicit StepStaging(size_t bytes_per_step)
      : halves_{PinnedBuffer(bytes_per_step), PinnedBuffer(bytes_per_step)} {}

  // Copies `from` and enqueues its copy to the device. False: no room is left in this step, nothing
  // was done.
  bool write(void* to, const void* from, size_t bytes, const Stream& stream);
  // The same for the first `width` bytes of each of `rows` rows, which are `pitch` bytes apart both
  // in `from` and in `to`.
  bool write_rows(void* to, const void* from, size_t pitch, size_t width, size_t rows,
                  const Stream& stream);
  void next_step();

 private:
  std::byte* take(size_t bytes);  // null: no room

  std::array<PinnedBuffer, 2> halves_;
  size_t turn_ = 0, used_ = 0;
};

}  // namespace ember::cuda
