// SPDX-License-Identifier: Apache-2.0
#include <functional>
#include <queue>
#include <vector>

#include "kernels/attention_plan.h"
#include "kernels/bench/predict_attention.h"

namespace ember::kernels::bench {

namespace {

// Estimates: a load from L2 on which the next depends; a launch that overlaps the one before; the
// shares of wgmma's rate that mma.sync reaches, and that the softmax between products leaves.
constexpr double kL2Us = 0.4, kLaunchUs = 1.0, kMmaShare = 0.6, kSoftmaxShare = 0.62;
constexpr int kDecodeStages = 3, kPrefillKeys = 128;

AttentionCut cut_on(const DeviceModel& device, const AttentionShape& shape) {
  return cut_attention({.handle = nullptr, .sm = 90, .num_sms = device.sms, .pdl = true}, shape);
}

// Tiles of keys of each work of prefill, in the order in which CTAs take them, and one for its
// begin and end.
std::vector<int> prefill_costs(const AttentionCut& cut, const AttentionShape& shape, int seqs,
                               int q_len, int kv_len) {
  std::vector<int> costs;
  const int keys = piece_keys(shape.head_dim), tiles = ceil_div(q_len, cut.tile_tokens);
  for (int i = 0; i < seqs * tiles; ++i) {
    const int at = (tiles - 1 - i % tiles) * cut.tile_tokens, position = kv_len - q_len + at,
              end_key = position + std::min(cut.tile_tokens, q_len - at),
              first_key = shape.window > 0 ? std::max(0, position - shape.window + 1) : 0;
    const Pieces all = pieces_of(shape.head_dim, position, end_key - position, shape.window);
    int cost = 0;
    for (int p = all.first; p < all.end; ++p) {
      cost += ceil_div(std::min(end_key, (p + 1) * keys), kPrefillKeys) -
              std::max(first_key, p * keys) / kPrefillKeys + 1;
      if (p + 1 < all.end && seqs * tiles > cut.few_tiles) continue;
      costs.insert(costs.end(), static_cast<size_t>(shape.num_kv_heads), cost);
      cost = 0;
    }
  }
  return costs;
}

// When the last multiprocessor ends, if each takes the next as soon as it is free.
int last_end(const std::vector<int>& costs, int sms) {
  std::priority_queue<int, std::vector<int>, std::greater<>> free_at;
  for (int i = 0; i < sms; ++i) free_at.push(0);
  int last = 0;
  for (const int cost : costs) {
    const int end = free_at.top() + cost;
    free_at.pop();
    free_at.push(end);
    last = std::max(last, end);
  }
  return last;
}

}  // namespace

KernelModel model_decode(const DeviceModel& device, const AttentionShape& shape, int seqs,
                         int kv_len) {
  const AttentionCut cut = cut_on(device, shape);
  const Splits splits = split_sequence(kv_len, shape.window, cut.max_splits, cut.split_pages);
  const int first_key = shape.window > 0 ? std::max(0, kv_len - shape.window) : 0,
            rows = ceil_div(kv_len, 16) * 16 - first_key / 16 * 16,
            tiles = shape.num_kv_heads * cut.head_tiles;
  // Of keys and values by one tile of heads; of sums in float32, once.
  const double loaded = 4.0 * shape.head_dim * rows * seqs,
               sums = 4.0 * shape.head_dim * shape.num_heads * seqs * splits.count;
  KernelModel k;
  k.blocks = splits.count * seqs * tiles;
  k.blocks_per_sm = shape.head_dim > 128 ? 1 : 2;
  k.bytes_dram = loaded * shape.num_kv_heads;
  k.bytes_l2 = loaded * tiles + (splits.count > 1 ? 2 * sums : 0);
  const double busiest = double{1} * ceil_div(k.blocks, device.sms) / k.blocks;
  k.bytes_smem = (2 * loaded * tiles + 8 * sums) * busiest;
  k.flops = loaded * tiles * ceil_div(cut.heads_per_tile, 8) * 8 * busiest / kMmaShare;
  k.block_bytes_in_flight =
      std::min(kDecodeStages * 4.0 * shape.head_dim * kBlockTokens, loaded / seqs);
  k.fixed_us = kLaunchUs + device.dram_latency * 1e6 + 2 * kL2Us;
  if (splits.count > 1) {  // the atomic, the extents, and the sums
    const int quads = ceil_div(cut.heads_per_tile * shape.head_dim / 4, 128);
    k.fixed_us += (2 + quads * ceil_div(splits.count, kMergeAhead)) * kL2Us;
  }
  return k;
}

KernelModel model_prefill(const DeviceModel& device, const AttentionShape& shape, int seqs,
                          int q_len, int kv_len) {
  const std::vector<int> costs = prefill_costs(cut_on(device, shape), shape, seqs, q_len, kv_len);
  const double last = last_end(costs, device.sms), tile_bytes = 4.0 * shape.head_dim * kPrefillKeys;
  double key_tiles = 0;
  for (const int cost : costs) key_tiles += cost;
  KernelModel k;
  k.blocks = static_cast<int>(costs.size());
  k.blocks_per_sm = 1;
  k.bytes_dram = 4.0 * shape.head_dim * seqs *
                 (double{1} * kv_len * shape.num_kv_heads + double{1} * q_len * shape.num_heads);
  k.bytes_l2 = key_tiles * tile_bytes;
  k.bytes_smem = 3 * last * tile_bytes;  // written once, read by each of two warpgroups
  k.flops = last * tile_bytes * kPrefillRowsSm90 / kSoftmaxShare;
  k.block_bytes_in_flight = 2 * tile_bytes;
  k.fixed_us = kLaunchUs + device.dram_latency * 1e6 + 2 * kL2Us;
  return k;
}

}  // namespace ember::kernels::bench
