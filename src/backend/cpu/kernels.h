// SPDX-License-Identifier: Apache-2.0
// The inner loops of the CPU backend, once per instruction set. All of them see rows of floats.
//
// Every number is computed by the same sequence of operations whatever the number of rows and the
// task it falls into. With AVX2 and AVX-512 it is one sequence: vectors have 16 lanes everywhere,
// and sums run in a fixed order, so results are equal bit for bit. The tiles of AMX add up the
// products with 16-bit weights in another order, fixed as well.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "ember/base/dtype.h"

namespace ember::cpu {

inline constexpr int kLanes = 16;
inline constexpr int kBlockOutputs = 32;  // outputs that lie side by side in a packed matrix
inline constexpr int kPaddedInputs =
    32;  // inputs of a packed matrix are padded with zeros to a multiple of it

// static: each file that is compiled for an instruction set has its own copy, and no other file
// ever gets that one.
static constexpr int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Where a packed matrix [ceil(N / 32)][P][32], P = round_up(K, 32), has weight [n, k]. A block of
// bfloat16 is [P / 2][32][2]: two neighbours of k share a 32-bit lane, where each becomes a float
// by a shift or a mask, and which is what AMX reads.
static constexpr int64_t packed_index(DType dtype, int64_t in, int64_t n, int64_t k) {
  const int64_t block = n / kBlockOutputs * round_up(in, kPaddedInputs) * kBlockOutputs,
                lane = n % kBlockOutputs;
  return dtype == DType::kBF16 ? block + (k / 2 * kBlockOutputs + lane) * 2 + k % 2
                               : block + k * kBlockOutputs + lane;
}

// A sum over inputs is taken in leaves, neighbouring inputs each, which are added up as a balanced
// tree: ((0 + 1) + (2 + 3)) + ... So whoever has the leaves of a subtree computes its part of the
// sum, and the bits are the same whoever adds up the parts.
struct Leaves {
  // Of each leaf, ascending, even but for the last. Null: one leaf, all inputs.
  const int64_t* ends = nullptr;
  int count = 1;  // a power of two, kMaxLeaves at most
  // All leaves of the matrix, also those that others compute, begin at multiples of kPaddedInputs.
  bool padded = true;
};
inline constexpr int kMaxLeaves = 8, kLeafDepth = 4;  // subtrees that wait, and the newest one

static constexpr int64_t leaf_end(const Leaves& leaves, int leaf, int64_t in) {
  return leaves.ends == nullptr ? in : leaves.ends[leaf];
}

// y[m, n] = scale * (sum_k x[m, k] * w[n, k] + bias[n]), or that added to y[m, n].
struct LinearArgs {
  const void* weights = nullptr;  // packed; what pads it is zero
  DType dtype = DType::kF32;
  const float* bias = nullptr;  // [ceil(N / 32) * 32] or null
  const float* x = nullptr;
  int64_t x_stride = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
  float scale = 1;
  bool add = false;
  int64_t rows = 0, in = 0, out = 0;  // M, K, N
  Leaves leaves;                      // of the K inputs
  uint16_t* parts = nullptr;          // what split makes of x: parts_size(M, K) elements
  int num_threads = 1;                // that share the tasks
};

// Rows that are split together, and the most rows of one product of split inputs.
inline constexpr int kSplitRows = 16, kMaxSplitProduct = 512;
// Three bfloat16 for each float.
static constexpr int64_t parts_size(int64_t rows, int64_t in) {
  return 3 * round_up(rows, kSplitRows) * round_up(in, kPaddedInputs);
}

// The queries of some neighbouring tokens of one sequence, for all heads that share one key-value
// head.
struct AttentionArgs {
  const float* k = nullptr;  // of this kv head in block 0: [head_dim][block_size]
  const float* v = nullptr;  // of this kv head in block 0: [block_size][head_dim]
  int64_t k_block_stride = 0, v_block_stride = 0;
  const int32_t* block_table = nullptr;
  int block_size = 0;
  const float* q = nullptr;  // of the first head in the first token
  int64_t q_stride = 0;      // from token to token; heads lie head_dim apart
  float* y = nullptr;
  int64_t y_stride = 0;
  int num_tokens = 0, num_heads = 0, head_dim = 0;
  int first_position = 0;  // of the first token
  int window = 0;
  float scale = 0;
  float softcap = 0;         // as AttentionSpec's
  float* scratch = nullptr;  // attention_scratch(head_dim) floats
};

// Rows (token and head) that go through the keys together.
inline constexpr int kAttentionRows = 64;
// Most of them that share a key in registers.
inline constexpr int kMaxAttentionTile = 8;
// Keys that are looked at together; a multiple of kLanes. Segments begin at multiples of it, so
// that a query's result does not depend on where its step began.
inline constexpr int kAttentionKeys = 64;

inline int64_t attention_scratch(int head_dim) {
  return 2 * kAttentionRows * round_up(head_dim, kLanes) +
         kAttentionKeys * (kMaxAttentionTile + int64_t{head_dim});
}

struct Kernels {
  // A product is linear_tasks(args) tasks, in any order; scratch is linear_scratch floats of the
  // thread's own.
  int64_t (*linear_tasks)(const LinearArgs& args);
  void (*linear)(const LinearArgs& args, int64_t task, float* scratch);
  int64_t linear_scratch;
  // Where not null, products with bfloat16 weights read args.parts, which split fills before, for
  // kSplitRows rows from first_row on at a time.
  void (*split)(const LinearArgs& args, int64_t first_row);
  void (*attention)(const AttentionArgs& args);
  // One row of n each.
  void (*rms_norm)(float* y, const float* x, const float* w, float eps, int64_t n);
  void (*add_rms_norm)(float* y, float* residual, const float* x, const float* w, float eps,
                       int64_t n);
  // y[i] = silu(gate[i]) * up[i], and the same with gelu (see ember::Gate).
  void (*silu_mul)(float* y, const float* gate, const float* up, int64_t n);
  void (*gelu_mul)(float* y, const float* gate, const float* up, int64_t n);
  // x[i] = cap * tanh(x[i] / cap)
  void (*softcap)(float* x, float cap, int64_t n);
  // y[i] = exp(x[i]); for tests.
  void (*exp)(float* y, const float* x, int64_t n);
};

// The machine must have `isa` (machine_has): nothing that is compiled for an instruction set runs
// before this was asked.
const Kernels& kernels_of(Isa isa);

}  // namespace ember::cpu
