// SPDX-License-Identifier: Apache-2.0
#include "ember/model/shard.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ember/base/start_error.h"
#include "tensor_names.h"

namespace ember {

namespace {

constexpr int kMostLeaves = 8;
constexpr int64_t kEven = 2;                       // kernels take 16-bit weights in pairs
constexpr int64_t kColumns = 32, kFewColumns = 8;  // MLP columns that stay together

// Inputs of a role's matrices that are stored together, in any layer.
int64_t block_of(const DecoderConfig& config, Role role) {
  int64_t block = 1;
  for (int layer = 0; layer < config.num_layers; ++layer) {
    const auto stored = config.other_formats.find(tensor_name(config, role, layer) + ".weight");
    if (stored != config.other_formats.end())
      block = std::max<int64_t>(block, info_of(stored->second).block_weights);
  }
  return block;
}

// How the sums of a decoder are cut into leaves.
struct LeafPlan {
  int count = kMostLeaves;
  int64_t head_columns = 0;  // of the attention's output, in one leaf
  int64_t mlp_unit = 0;      // columns between which the MLP's leaves may be cut

  explicit LeafPlan(const DecoderConfig& config) {
    const int64_t output_block = std::max(kEven, block_of(config, Role::kOutput)),
                  down_block = block_of(config, Role::kDown), columns = config.intermediate_size;
    for (;; count /= 2) {
      head_columns = int64_t{config.num_heads} / count * config.head_dim;
      const int64_t unit = columns / kColumns >= count ? kColumns : kFewColumns;
      mlp_unit = std::max(unit, down_block);
      if (count == 1 || (config.num_heads % count == 0 && head_columns % output_block == 0 &&
                         columns / mlp_unit >= count))
        return;
    }
  }
  int64_t mlp_end(int leaf, int64_t columns) const {
    return leaf == count ? columns : columns / mlp_unit * leaf / count * mlp_unit;
  }
};

std::vector<int> possible_ranks(const DecoderConfig& config, const LeafPlan& leaves) {
  std::vector<int> possible;
  for (int n = 1; n <= leaves.count; n *= 2)
    if (config.num_kv_heads % n == 0 || n % config.num_kv_heads == 0) possible.push_back(n);
  return possible;
}

Range share(int64_t count, int rank, int num_ranks) {
  return {count * rank / num_ranks, count * (rank + 1) / num_ranks};
}

// Of this rank's inputs, which begin where its first leaf does.
Partition partition_of(const std::vector<int64_t>& ends, int64_t unit, Range leaves) {
  if (ends.size() == 1) return {.split = Split::kInputs};
  Partition partition{.split = Split::kInputs, .leaf_unit = unit};
  const int64_t begin = leaves.begin == 0 ? 0 : ends[static_cast<size_t>(leaves.begin) - 1];
  for (int64_t leaf = leaves.begin; leaf < leaves.end; ++leaf)
    partition.leaf_ends.push_back(ends[static_cast<size_t>(leaf)] - begin);
  return partition;
}

}  // namespace

Shard::Shard(const DecoderConfig& config) : Shard(config, 0, 1) {}

Shard::Shard(const DecoderConfig& config, int rank_, int num_ranks_)
    : whole(config), part(config), rank(rank_), num_ranks(num_ranks_) {
  const LeafPlan plan(config);
  const std::vector<int> possible = possible_ranks(config, plan);
  if (std::ranges::find(possible, num_ranks) == possible.end())
    throw StartError(ExitCode::kConfig,
                     fmt::format("--tensor-parallel-size {}: this model, with {} query and {} "
                                 "key-value heads and {} MLP columns, can be split over {} ranks",
                                 num_ranks, config.num_heads, config.num_kv_heads,
                                 config.intermediate_size, fmt::join(possible, ", ")));
  heads = share(config.num_heads, rank, num_ranks);
  kv_heads = share(config.num_kv_heads, rank, num_ranks);
  if (kv_heads.size() == 0) kv_heads.end = kv_heads.begin + 1;
  vocabulary = share(config.vocab_size, rank, num_ranks);

  const Range leaves = share(plan.count, rank, num_ranks);
  std::vector<int64_t> output_ends, down_ends;
  for (int leaf = 1; leaf <= plan.count; ++leaf) {
    output_ends.push_back(leaf * plan.head_columns);
    down_ends.push_back(plan.mlp_end(leaf, config.intermediate_size));
  }
  output = partition_of(output_ends, plan.head_columns, leaves);
  down = partition_of(down_ends, plan.mlp_unit, leaves);
  mlp_columns = {plan.mlp_end(static_cast<int>(leaves.begin), config.intermediate_size),
                 plan.mlp_end(static_cast<int>(leaves.end), config.intermediate_size)};

  part.num_heads = static_cast<int>(heads.size());
  part.num_kv_heads = static_cast<int>(kv_heads.size());
  part.intermediate_size = static_cast<int>(mlp_columns.size());
  if (rank > 0) part.vocab_size = 0;
}

}  // namespace ember
