// SPDX-License-Identifier: Apache-2.0
// Two steps of a small model of one layer, from ids to sampled tokens: every small kernel between
// the large ones, launched one behind the other without a wait.
#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/common/layout.h"
#include "kernels/emulator_stream.h"
#include "kernels/gemm.h"
#include "kernels/ops.h"
#include "kernels/sample.h"
#include "machine.h"

namespace ember::kernels {

class StepRun {
 public:
  explicit StepRun(unsigned seed) : random_(seed) {
    for (auto* weights : {&table_, &qkv_w_, &o_w_, &gate_up_w_, &down_w_, &head_w_})
      for (auto& chunk : *weights)
        for (uint16_t& bits : chunk.v) bits = float_to_f16(0.3f * normal_(random_));
    for (float& w : norm_w_) w = 1 + 0.1f * normal_(random_);
    for (int p = 0; p < kPositions; ++p)
      for (int i = 0; i < kHeadDim; ++i) {
        const float angle = 0.1f * static_cast<float>(p * (i % (kHeadDim / 2)));
        cos_sin_.push_back(i < kHeadDim / 2 ? std::cos(angle) : std::sin(angle));
      }
  }

  // The tokens that both steps sample.
  std::vector<int32_t> run() {
    const StreamRef stream = emulator_stream(90);
    std::vector<int32_t> sampled;
    // A decode, a padded row, and a prompt of three tokens; then a decode of each, of the tokens
    // that only the device knows.
    const Inputs first{.ids = {7, 0, 3, 9, 4},
                       .positions = {0, 0, 0, 1, 2},
                       .slots = {kBlockTokens, -1, 0, 1, 2},
                       .q_starts = {0, 1, 2, 5},
                       .kv_lens = {1, 0, 3},
                       .tables = {1, -1, 0},
                       .rows = {0, -1, 4},
                       .num_decodes = 2},
        second{.ids = {-1, 0, -3},
               .positions = {1, 0, 3},
               .slots = {kBlockTokens + 1, -1, 3},
               .q_starts = {0, 1, 2, 3},
               .kv_lens = {2, 0, 4},
               .tables = {1, -1, 0},
               .rows = {0, -1, 2},
               .num_decodes = 3};
    const emu::Chain chain;
    for (const Inputs* inputs : {&first, &second}) {
      step(stream, *inputs);
      sampled.insert(sampled.end(), tokens_.begin(), tokens_.end());
    }
    return sampled;
  }

 private:
  static constexpr int kHeadDim = 64, kHeads = 2, kHidden = 128, kVocab = 100, kPositions = 16,
                       kRows = 3, kMaxTokens = 8;
  static constexpr DType kType = DType::kF16;
  struct alignas(16) Chunk {
    uint16_t v[8];
  };
  using Halves = std::vector<Chunk>;  // aligned as the device's memory is
  static Halves halves(int rows, int columns) {
    return Halves(static_cast<size_t>(rows * columns / 8));
  }
  static Rows view(Halves& h, int rows, int columns) { return {h.data(), columns, rows, columns}; }

  struct Inputs {
    std::vector<int32_t> ids, positions, slots, q_starts, kv_lens, tables, rows;
    int num_decodes;
  };

  void step(const StreamRef& stream, const Inputs& in) {
    const int t = static_cast<int>(in.ids.size());
    const AttentionShape shape{.dtype = kType,
                               .num_heads = kHeads,
                               .num_kv_heads = 1,
                               .head_dim = kHeadDim,
                               .scale = 0.125f,
                               .max_seqs = kRows,
                               .max_tokens = kMaxTokens,
                               .max_model_len = kPositions};
    const AttentionBatch batch{
        in.q_starts.data(), in.kv_lens.data(), in.tables.data(), 1, kRows, in.num_decodes, t, 3,
        kPositions};
    workspace_.resize(attention_workspace_bytes(stream, shape) / sizeof(Chunk) + 1);
    plan_attention(stream, shape, batch, workspace_.data());
    embed(stream, kType, view(x_, t, kHidden), table_.data(), kHidden, kVocab, in.ids.data(),
          previous_.data());
    rms_norm(stream, kType, view(h_, t, kHidden), view(x_, t, kHidden), norm_w_.data(), 1e-5f);
    multiply(stream, qkv_w_, 256, h_, t, kHidden, qkv_.data(), Epilogue::kStore);
    rope_and_store(stream, kType, view(qkv_, t, 256), cos_sin_.data(), in.positions.data(),
                   in.slots.data(), pool_.data(), {kHeads, 1, kHeadDim, kHeadDim});
    attention(stream, shape, batch, attended_.data(), kHidden, qkv_.data(), 256, pool_.data(),
              workspace_.data());
    multiply(stream, o_w_, kHidden, attended_, t, kHidden, h_.data(), Epilogue::kStore);
    add_rms_norm(stream, kType, view(h_, t, kHidden), view(x_, t, kHidden), view(h_, t, kHidden),
                 norm_w_.data(), 1e-5f);
    multiply(stream, gate_up_w_, 256, h_, t, kHidden, gate_up_.data(), Epilogue::kStore);
    silu_mul(stream, kType, view(h_, t, kHidden), gate_up_.data(), 256);
    multiply(stream, down_w_, kHidden, h_, t, kHidden, x_.data(), Epilogue::kAdd);
    gather_rows(stream, view(h_, kRows, kHidden), view(x_, t, kHidden), in.rows.data());
    rms_norm(stream, kType, view(h_, kRows, kHidden), view(h_, kRows, kHidden), nullptr, 1e-5f);
    multiply(stream, head_w_, kVocab, h_, kRows, kHidden, logits_.data(), Epilogue::kLogits);
    softcap(stream, logits_.data(), kVocab, kRows, kVocab, 30);
    update_seen(stream, {.seen = reinterpret_cast<uint32_t*>(seen_.data()),
                         .vocab = kVocab,
                         .updates = updates_.data(),
                         .count = kRows,
                         .ids = ids_.data()});
    sample(stream, {.logits = logits_.data(),
                    .stride = kVocab,
                    .rows = kRows,
                    .vocab = kVocab,
                    .params = params_.data(),
                    .lists = {reinterpret_cast<const uint32_t*>(seen_.data()), nullptr, ids_.data(),
                              nullptr, 0},
                    .previous = previous_.data(),
                    .workspace = sample_workspace_.data(),
                    .out = sampled_.data(),
                    .tokens = tokens_.data(),
                    .sequence = &sequence_,
                    .sequence_value = ++steps_});
  }

  void multiply(const StreamRef& stream, Halves& w, int out, Halves& x, int tokens, int in, void* y,
                Epilogue epilogue) {
    gemm(stream, make_matrix(stream, w.data(), nullptr, kType, out, in), view(x, tokens, in), y,
         out, epilogue);
  }

  std::mt19937 random_;
  std::normal_distribution<float> normal_{0, 1};
  Halves table_ = halves(kVocab, kHidden), qkv_w_ = halves(256, kHidden),
         o_w_ = halves(kHidden, kHidden), gate_up_w_ = halves(256, kHidden),
         down_w_ = halves(kHidden, kHidden), head_w_ = halves(kVocab, kHidden);
  std::vector<float> norm_w_ = std::vector<float>(kHidden), cos_sin_;
  Halves x_ = halves(kMaxTokens, kHidden), h_ = halves(kMaxTokens, kHidden),
         qkv_ = halves(kMaxTokens, 256), attended_ = halves(kMaxTokens, kHidden),
         gate_up_ = halves(kMaxTokens, 256), pool_ = halves(2 * 2 * kBlockTokens, kHeadDim),
         workspace_, seen_ = halves(kRows, 2 * static_cast<int>(seen_stride(kVocab)));
  std::vector<float> logits_ = std::vector<float>(kRows * kVocab);
  std::vector<int32_t> ids_ = {1, 2, 3}, previous_ = std::vector<int32_t>(kRows),
                       tokens_ = std::vector<int32_t>(kRows);
  std::vector<SeenUpdate> updates_ = {{.row = 0, .clear = 1, .ids_begin = 0, .num_prompt = 2},
                                      {.row = 1, .clear = 1},
                                      {.row = 2, .clear = 1, .ids_begin = 1, .num_output = 2}};
  std::vector<SampleRow> params_ = {
      {.seed = 1, .top_k = 20, .repetition_penalty = 1.2f, .seen = 0, .num_logprobs = 4},
      {.seed = 2, .temperature = 0},
      {.seed = 3, .top_p = 0.9f, .min_p = 0.01f, .presence_penalty = 1, .seen = 2}};
  std::vector<uint64_t> sample_workspace_ =
      std::vector<uint64_t>(sample_workspace_bytes(emulator_stream(90), kRows, kVocab) / 8 + 1);
  std::vector<SampledRow> sampled_ = std::vector<SampledRow>(kRows);
  uint32_t sequence_ = 0, steps_ = 0;
};

}  // namespace ember::kernels
