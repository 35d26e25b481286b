// SPDX-License-Identifier: Apache-2.0
// Runs a decoder by hand: one sequence, any chunks, any order of blocks.
#pragma once

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/model/decoder.h"

namespace ember {

class ModelRunner {
 public:
  // Blocks are used in an order that `seed` decides.
  ModelRunner(Backend& backend, Decoder& decoder, const DecoderLimits& limits, uint64_t seed = 0)
      : backend_(backend), decoder_(decoder), limits_(limits) {
    decoder.allocate(limits);
    blocks_.resize(static_cast<size_t>(limits.num_blocks));
    std::iota(blocks_.begin(), blocks_.end(), 0);
    std::shuffle(blocks_.begin(), blocks_.end(), std::mt19937_64(seed));
  }

  // Starts a new sequence.
  void clear() { position_ = 0; }

  // Computes the next tokens of the sequence and returns the logits of the last num_rows of them:
  // [num_rows, vocab].
  std::vector<float> forward(const std::vector<int32_t>& tokens, int num_rows) {
    const int n = static_cast<int>(tokens.size());
    std::vector<int32_t> positions, slots, rows, starts = {0, n}, lens = {position_ + n};
    for (int i = 0; i < n; ++i) {
      const int p = position_ + i;
      positions.push_back(p);
      slots.push_back(blocks_[static_cast<size_t>(p / limits_.block_size)] * limits_.block_size +
                      p % limits_.block_size);
    }
    for (int i = n - num_rows; i < n; ++i) rows.push_back(i);
    BatchView batch{.num_tokens = n,
                    .num_seqs = 1,
                    .num_logit_rows = num_rows,
                    .max_q_len = n,
                    .max_kv_len = position_ + n};
    std::vector<int32_t> ids = tokens;
    batch.token_ids = view(ids);
    batch.positions = view(positions);
    batch.slots = view(slots);
    batch.q_starts = view(starts);
    batch.kv_lens = view(lens);
    batch.block_tables = Tensor(blocks_.data(), DType::kI32, {1, limits_.num_blocks});
    batch.logit_rows = view(rows);
    const Tensor logits = decoder_.forward(batch);
    backend_.wait();
    position_ += n;
    std::vector<float> result(static_cast<size_t>(logits.elements()));
    if (!result.empty()) std::memcpy(result.data(), logits.data, logits.bytes());
    return result;
  }

 private:
  static Tensor view(std::vector<int32_t>& v) {
    return Tensor(v.data(), DType::kI32, {static_cast<int64_t>(v.size())});
  }

  Backend& backend_;
  Decoder& decoder_;
  const DecoderLimits limits_;
  std::vector<int32_t> blocks_;
  int position_ = 0;
};

inline int32_t argmax(const float* logits, size_t n) {
  return static_cast<int32_t>(std::max_element(logits, logits + n) - logits);
}

}  // namespace ember
