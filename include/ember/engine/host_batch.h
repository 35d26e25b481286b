// SPDX-License-Identifier: Apache-2.0
// A step's batch as plain values in host memory: built once, then uploaded to every rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ember/backend/backend.h"

namespace ember {

struct BatchLimits {
  int max_tokens = 0;  // of one step, padding included
  int max_seqs = 0;
  int max_logit_rows = 0;
  int max_blocks = 0;  // of one sequence
  int block_size = 0;  // tokens

  // Of the memory that holds all arrays of the largest batch.
  int64_t num_elements() const {
    return 3 * int64_t{max_tokens} + (2 + int64_t{max_blocks}) * max_seqs + 1 + max_logit_rows;
  }
};

struct HostBatch {
  BatchView view;               // its arrays lie in `memory`
  std::vector<int32_t> memory;  // [BatchLimits::num_elements()]
  size_t num_used = 0;          // the first so many elements hold all arrays
  // How each logit row becomes a token. Refers to the sequences of the step; the masks come later
  // (MaskBuilder).
  std::vector<SamplingRow> rows;
};

}  // namespace ember
