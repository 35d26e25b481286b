// SPDX-License-Identifier: Apache-2.0
// What one of several ranks has of a decoder (tensor parallelism).
#pragma once

#include <cstdint>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/model/decoder_config.h"

namespace ember {

// [begin, end) of something that is counted.
struct Range {
  int64_t begin = 0, end = 0;

  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

// Rank r of n has an equal part of the heads, with their key-value heads, and neighbouring columns
// of the MLP and tokens of the vocabulary. Where there are fewer key-value heads than ranks,
// n / num_kv_heads neighbouring ranks have the same one.
//
// The inputs of what is split by inputs are cut into leaves that do not depend on n: as many as the
// largest power of two up to 8 that leaves whole heads, whole blocks of quantised weights, and an
// MLP column in each. Leaf j of L has heads [j H / L, (j + 1) H / L) or a like share of the
// columns, cut at multiples of 32 or 8 columns, or of a block. A rank has whole leaves.
struct Shard {
  // The rank that has everything.
  Shard(const DecoderConfig& config);  // NOLINT(google-explicit-constructor): it is the decoder
  // Rank `rank` of `num_ranks`. Throws StartError(kConfig) naming the numbers that are possible.
  Shard(const DecoderConfig& config, int rank, int num_ranks);

  DecoderConfig whole;
  // What the rank computes, as if it were all: num_heads, num_kv_heads and intermediate_size are
  // its own, and vocab_size is that of its logits, which rank 0 has whole and the others not.
  DecoderConfig part;
  int rank = 0, num_ranks = 1;
  Range heads, kv_heads, mlp_columns, vocabulary;  // of the whole's
  Partition output, down;                          // of the matrices of these roles
};

}  // namespace ember
