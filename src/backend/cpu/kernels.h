// The inner loops of the CPU backend, once per instruction set. All of them see rows of floats.
//
// Every number is computed by the same sequence of operations whatever the instruction set, the number of rows and the task
// it falls into: vectors have 16 lanes everywhere, and sums run in a fixed order. So results are equal bit for bit.
#pragma once

#include <cstdint>

#include "ember/base/dtype.h"
#include "backend/cpu/isa.h"

namespace ember::cpu {

inline constexpr int kLanes = 16;
inline constexpr int kBlockOutputs = 32;  // outputs that lie side by side in a packed matrix
inline constexpr int kTaskBlocks = 2;     // blocks of one task

// y[m, n] = sum_k x[m, k] * w[n, k] + bias[n], or that added to y[m, n]. The sum runs over k in order, one fused multiply-add each.
struct LinearArgs {
  const void* weights = nullptr;  // [ceil(N / 32)][K][32], rows past N are zero
  DType dtype = DType::kF32;
  const float* bias = nullptr;    // [ceil(N / 32) * 32] or null
  const float* x = nullptr;
  int64_t x_stride = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
  bool add = false;
  int64_t rows = 0, in = 0, out = 0;  // M, K, N
};

// The queries of some neighbouring tokens of one sequence, for all heads that share one key-value head.
struct AttentionArgs {
  const float* k = nullptr;            // of this kv head in block 0: [head_dim][block_size]
  const float* v = nullptr;            // of this kv head in block 0: [block_size][head_dim]
  int64_t k_block_stride = 0, v_block_stride = 0;
  const int32_t* block_table = nullptr;
  int block_size = 0;
  const float* q = nullptr;            // of the first head in the first token
  int64_t q_stride = 0;                // from token to token; heads lie head_dim apart
  float* y = nullptr;
  int64_t y_stride = 0;
  int num_tokens = 0, num_heads = 0, head_dim = 0;
  int first_position = 0;              // of the first token
  int window = 0;
  float scale = 0;
  float* scratch = nullptr;            // attention_scratch(head_dim) floats
};

// Rows (token and head) whose attention is computed together.
inline constexpr int kAttentionRows = 8;
// Keys that are looked at together; a multiple of kLanes. Segments begin at multiples of it, so that a query's result does not
// depend on where its step began.
inline constexpr int kAttentionKeys = 64;

inline int64_t attention_scratch(int head_dim) { return int64_t{kAttentionRows} * (2 * head_dim + kAttentionKeys) + int64_t{2} * kLanes; }

struct Kernels {
  // Blocks [kTaskBlocks * task, kTaskBlocks * (task + 1)) of the outputs, all rows.
  void (*linear)(const LinearArgs& args, int64_t task);
  void (*attention)(const AttentionArgs& args);
  // One row of n each.
  void (*rms_norm)(float* y, const float* x, const float* w, float eps, int64_t n);
  void (*add_rms_norm)(float* y, float* residual, const float* x, const float* w, float eps, int64_t n);
  void (*silu_mul)(float* y, const float* gate, const float* up, int64_t n);
  // y[i] = exp(x[i]); for tests.
  void (*exp)(float* y, const float* x, int64_t n);
};

const Kernels& avx2_kernels();
const Kernels& avx512_kernels();
const Kernels& kernels_of(Isa isa);

}  // namespace ember::cpu
