// SPDX-License-Identifier: Apache-2.0
// Runs a decoder by hand: any sequences, any chunks, any order of blocks.
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
  // What a step computes of one sequence.
  struct Part {
    int seq = 0;
    std::vector<int32_t> tokens;
    int num_rows = 0;  // the last so many tokens give logits
  };

  // Blocks are used in an order that `seed` decides; each sequence has an equal share of them.
  ModelRunner(Backend& backend, Decoder& decoder, const DecoderLimits& limits, uint64_t seed = 0,
              int num_seqs = 1)
      : backend_(backend),
        decoder_(decoder),
        limits_(limits),
        blocks_of_seq_(limits.num_blocks / num_seqs),
        lengths_(static_cast<size_t>(num_seqs)) {
    decoder.allocate(limits);
    backend.prepare(step_limits(decoder.shard(), limits, num_seqs));
    blocks_.resize(static_cast<size_t>(limits.num_blocks));
    std::iota(blocks_.begin(), blocks_.end(), 0);
    std::shuffle(blocks_.begin(), blocks_.end(), std::mt19937_64(seed));
  }

  // Starts a new sequence.
  void clear(int seq = 0) { lengths_[static_cast<size_t>(seq)] = 0; }

  // Computes the next tokens of the first sequence and returns the logits of the last num_rows of
  // them: [num_rows, vocab]; nothing on ranks other than the first.
  std::vector<float> forward(const std::vector<int32_t>& tokens, int num_rows) {
    return forward({{0, tokens, num_rows}}).front();
  }

  // The same of several sequences in one step; logits of each part.
  std::vector<std::vector<float>> forward(const std::vector<Part>& parts) {
    std::vector<int32_t> ids, positions, slots, rows, starts = {0}, lens, tables;
    BatchView batch{.num_seqs = static_cast<int>(parts.size())};
    for (const Part& part : parts) {
      const int32_t* blocks = blocks_.data() + part.seq * blocks_of_seq_;
      int& length = lengths_[static_cast<size_t>(part.seq)];
      const auto begin = static_cast<int>(ids.size()), n = static_cast<int>(part.tokens.size());
      for (int i = 0; i < n; ++i, ++length) {
        positions.push_back(length);
        slots.push_back(blocks[length / limits_.block_size] * limits_.block_size +
                        length % limits_.block_size);
        if (i >= n - part.num_rows) rows.push_back(begin + i);
      }
      ids.insert(ids.end(), part.tokens.begin(), part.tokens.end());
      starts.push_back(begin + n);
      lens.push_back(length);
      tables.insert(tables.end(), blocks, blocks + blocks_of_seq_);
      batch.max_q_len = std::max(batch.max_q_len, n);
      batch.max_kv_len = std::max(batch.max_kv_len, length);
    }
    batch.num_tokens = static_cast<int>(ids.size());
    batch.num_logit_rows = static_cast<int>(rows.size());
    batch.token_ids = view(ids);
    batch.positions = view(positions);
    batch.slots = view(slots);
    batch.q_starts = view(starts);
    batch.kv_lens = view(lens);
    batch.block_tables = Tensor(tables.data(), DType::kI32, {batch.num_seqs, blocks_of_seq_});
    batch.logit_rows = view(rows);
    const Tensor logits = decoder_.forward(batch);
    backend_.wait();
    std::vector<std::vector<float>> results;
    const float* next = logits.as<float>();
    for (const Part& part : parts) {
      const int64_t count = int64_t{part.num_rows} * decoder_.shard().part.vocab_size;
      results.emplace_back(next, next + count);
      next += count;
    }
    return results;
  }

 private:
  static Tensor view(std::vector<int32_t>& v) {
    return Tensor(v.data(), DType::kI32, {static_cast<int64_t>(v.size())});
  }

  Backend& backend_;
  Decoder& decoder_;
  const DecoderLimits limits_;
  const int blocks_of_seq_;
  std::vector<int32_t> blocks_;
  std::vector<int> lengths_;
};

inline int32_t argmax(const float* logits, size_t n) {
  return static_cast<int32_t>(std::max_element(logits, logits + n) - logits);
}

}  // namespace ember
