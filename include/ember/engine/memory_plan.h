// SPDX-License-Identifier: Apache-2.0
// How the device's memory is divided, computed before anything is loaded or allocated.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/model/decoder_plan.h"

namespace ember {

struct MemoryBudget {
  double utilization =
      0.9;  // share that may be used, (0, 1]: of a GPU's memory, of the host's free memory
  std::optional<DType> dtype;        // of the weights, as in LoadOptions
  bool may_shorten_context = false;  // to what the KV cache holds, instead of giving up
  std::optional<size_t>
      kv_cache_bytes;  // exact size of the KV cache instead of what the share leaves
};

// Of one rank.
struct MemoryPlan {
  size_t free_bytes = 0;    // on the device, before
  size_t budget_bytes = 0;  // of it, what Ember may use
  size_t weight_bytes = 0;
  std::string weight_formats;   // see ember::weight_formats
  size_t activation_bytes = 0;  // of the largest legal step, and whatever else steps need
  size_t kv_block_bytes = 0;    // of one block over all layers
  int num_blocks = 0;
  int block_size = 0;  // tokens
  int max_model_len = 0;
  int max_num_seqs = 0;

  size_t kv_bytes() const { return kv_block_bytes * static_cast<size_t>(num_blocks); }
  size_t total_bytes() const { return weight_bytes + activation_bytes + kv_bytes(); }
  int64_t kv_tokens() const { return int64_t{num_blocks} * block_size; }
};

// One plan for each of num_ranks ranks on devices like `backend`; where that is in memory which
// other programs of the host use, the ranks share it equally. As many KV blocks as the budget holds
// after weights and activations on the rank that has the least room, but not more than max_num_seqs
// sequences of full length need. kv_cache_bytes is of each rank. `limits.num_blocks` is ignored.
// Throws StartError with the bytes needed and those there are: kNoDevice when the plan does not fit
// or cannot hold one sequence of max_model_len, kConfig when that is the fault of kv_cache_bytes,
// or of num_ranks (see Shard).
std::vector<MemoryPlan> plan_memory(const Backend& backend, const DecoderConfig& config,
                                    int num_ranks, const DecoderLimits& limits, int max_num_seqs,
                                    const MemoryBudget& budget);

// For people, several lines, with a column for each rank.
std::string memory_table(std::span<const MemoryPlan> plans);

}  // namespace ember
