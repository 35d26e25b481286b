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

  int64_t num_table_elements() const { return int64_t{max_blocks} * max_seqs; }
  // Of the memory that holds all arrays of the largest batch.
  int64_t num_elements() const {
    return num_table_elements() + 3 * int64_t{max_tokens} + 2 * int64_t{max_seqs} + 1 +
           max_logit_rows;
  }
};

struct HostBatch {
  BatchView view;  // its arrays lie in `memory`
  // [BatchLimits::num_elements()]: the block tables, max_blocks elements for each sequence, then
  // the other arrays, one directly behind the other. Batches of one shape have them at the same
  // places.
  std::vector<int32_t> memory;
  size_t num_used = 0;  // elements behind the block tables
  // Block tables that say something, and columns of the longest of them.
  int num_tables = 0, num_table_columns = 0;
  // How each logit row becomes a token. Refers to the sequences of the step; the masks come later
  // (MaskBuilder).
  std::vector<SamplingRow> rows;
};

}  // namespace ember
