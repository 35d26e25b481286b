// SPDX-License-Identifier: Apache-2.0
// What is timed, and predicted: the shapes of Llama-3-8B.
#pragma once

#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/gemm.h"

namespace ember::kernels::bench {

struct Model {
  int hidden = 4096, inner = 14336, heads = 32, kv_heads = 8, head_dim = 128, vocab = 128256;
  int qkv() const { return (heads + 2 * kv_heads) * head_dim; }
};

struct GemmCase {
  const char* name;
  int out, in;
  Epilogue epilogue;
};

inline std::vector<GemmCase> products_of(const Model& m) {
  return {{"qkv", m.qkv(), m.hidden, Epilogue::kStore},
          {"o", m.hidden, m.heads * m.head_dim, Epilogue::kAdd},
          {"gate_up", 2 * m.inner, m.hidden, Epilogue::kSiluMul},
          {"down", m.hidden, m.inner, Epilogue::kAdd},
          {"lm_head", m.vocab, m.hidden, Epilogue::kLogits}};
}
// Logits are of one token of each sequence.
inline std::vector<int> token_counts_of(const GemmCase& c) {
  std::vector<int> counts = {1, 8, 16, 32, 64, 65, 128, 129, 256};
  if (c.epilogue != Epilogue::kLogits) counts.insert(counts.end(), {512, 2048});
  return counts;
}

// `seqs` sequences of kv_len positions, of which the last q_len are computed.
struct AttentionCase {
  int seqs, q_len, kv_len;
};
inline constexpr AttentionCase kDecodes[] = {{1, 1, 1024},  {1, 1, 8192},  {8, 1, 4096},
                                             {64, 1, 1024}, {256, 1, 512}, {64, 1, 129}};
inline constexpr AttentionCase kPrefills[] = {{1, 1024, 1024}, {1, 8192, 8192}, {1, 1000, 3001}};

// What a measurement is to choose from: other widths of heads, each with what might suit it.
struct AttentionVariant {
  AttentionCase c;
  int head_dim;
  AttentionTuning tuning = {};
};
inline std::vector<AttentionVariant> decode_variants() {
  std::vector<AttentionVariant> all;
  constexpr AttentionCase kCases[] = {{1, 1, 1024}, {8, 1, 4096}, {64, 1, 1024}};
  for (const AttentionCase& c : kCases) {
    for (const int split_pages : {4, 8}) all.push_back({c, 64, {.split_pages = split_pages}});
    for (const int head_dim : {96, 256}) all.push_back({c, head_dim});
  }
  return all;
}
inline std::vector<AttentionVariant> prefill_variants() {
  std::vector<AttentionVariant> all;
  for (const int head_dim : {64, 96, 128, 256})
    for (const bool turns : {true, false})
      all.push_back({{1, 8192, 8192}, head_dim, {.turns = turns}});
  return all;
}

inline AttentionShape shape_of(const Model& m, DType dtype, const AttentionCase& c) {
  return {.dtype = dtype,
          .num_heads = m.heads,
          .num_kv_heads = m.kv_heads,
          .head_dim = m.head_dim,
          .scale = 0.0883883f,
          .max_seqs = c.seqs,
          .max_tokens = c.seqs * c.q_len,
          .max_model_len = c.kv_len};
}
inline AttentionShape shape_of(Model m, DType dtype, const AttentionVariant& v) {
  m.head_dim = v.head_dim;
  AttentionShape shape = shape_of(m, dtype, v.c);
  shape.tuning = v.tuning;
  return shape;
}

inline std::string name_of(const GemmCase& c, int tokens) {
  return std::string(c.name) + " " + std::to_string(tokens);
}
inline std::string name_of(const AttentionCase& c) {
  return std::to_string(c.seqs) + " x " + std::to_string(c.q_len) + " of " +
         std::to_string(c.kv_len);
}
inline std::string name_of(const AttentionVariant& v) {
  std::string name = name_of(v.c) + ", head_dim " + std::to_string(v.head_dim);
  if (v.tuning.turns) return name + (*v.tuning.turns ? ", in turns" : ", no turns");
  return name + ", splits of " + std::to_string(v.tuning.split_pages);
}

}  // namespace ember::kernels::bench
