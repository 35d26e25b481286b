// SPDX-License-Identifier: Apache-2.0
// Queries, keys and values of a step: QK-norm, RoPE, and the write to the paged cache.
#include <stdexcept>
#include <string>

#include "ember/base/integers.h"
#include "kernels/common/layout.h"
#include "kernels/ops.h"
#include "kernels/vector.cuh"

namespace ember::kernels {

namespace {

constexpr int kThreads = 256;
constexpr int kMostThreads = INT32_MAX / kThreads * kThreads;  // their numbers have 32 bits

template <class T>
struct HeadArgs {
  T* qkv;
  int64_t stride;
  RopeSpec spec;
  HeadNorm norm;
  const float* cos_sin;
  const int32_t* positions;
  const int32_t* slots;
  T* pool;
  int num_tokens, heads;  // heads: of a token, queries, keys and values
  int lanes;              // per head: a power of two, at least head_dim / 8
};

// The element that is rotated with element d of a head, and whether d is the first of the pair.
struct Pair {
  int partner, index;
  bool first;
};
EMBER_DEVICE Pair pair_of(const RopeSpec& spec, int d) {
  const int half = spec.rotary_dim / 2;
  if (spec.interleaved) return {d ^ 1, d / 2, d % 2 == 0};
  return {d < half ? d + half : d - half, d < half ? d : d - half, d < half};
}

// 1 / rms of a head, over the lanes that share it.
template <class T>
EMBER_DEVICE float norm_factor(const HeadArgs<T>& args, const Eight<T>& mine) {
  float sum = 0;
  for (int j = 0; j < 8; ++j) sum += to_float(mine.v[j]) * to_float(mine.v[j]);
  for (int mask = args.lanes / 2; mask > 0; mask /= 2) sum += __shfl_xor_sync(~0u, sum, mask);
  return 1.0f / sqrtf(sum / static_cast<float>(args.spec.head_dim) + args.norm.eps);
}

// Elements i .. i+7 of a q or k head after norm and rotation. `weights` null: no norm. `table`:
// this position's cosines and sines.
template <class T>
EMBER_DEVICE Eight<T> rotated(const HeadArgs<T>& args, const T* head, const Eight<T>& mine, int i,
                              float factor, const float* weights, const float* table) {
  const RopeSpec& spec = args.spec;
  const int half = spec.rotary_dim / 2;
  const auto value = [&](T raw, int d) {
    return weights == nullptr ? to_float(raw) : to_float(raw) * factor * weights[d];
  };
  // Half-split pairs lie half a rotation apart: eight neighbours have eight neighbours for
  // partners.
  const bool apart = !spec.interleaved && half % 8 == 0 && i < spec.rotary_dim;
  Eight<T> partners{};
  if (apart) partners = load_eight(head, i < half ? i + half : i - half, spec.head_dim);
  Eight<T> out;
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const int d = i + j;
    const float own = value(mine.v[j], d);
    if (d >= spec.rotary_dim) {
      out.v[j] = from_float<T>(own);
      continue;
    }
    const Pair pair = pair_of(spec, d);
    const T raw = apart ? partners.v[j] : spec.interleaved ? mine.v[j ^ 1] : head[pair.partner];
    const float other = value(raw, pair.partner), cosine = table[pair.index],
                sine = table[half + pair.index];
    out.v[j] =
        from_float<T>(pair.first ? own * cosine - other * sine : own * cosine + other * sine);
  }
  return out;
}

// Zeroes what this step does not write of the slab of a block whose first token is token t: a
// step's tokens of one block are consecutive, so that the rest needs no look at the slots.
template <class T>
EMBER_DEVICE void zero_rest(const HeadArgs<T>& args, T* slab, int t, int slot, int i) {
  int row = 1;
  while (row < kBlockTokens && t + row < args.num_tokens && args.slots[t + row] == slot + row)
    ++row;
  for (; row < kBlockTokens; ++row)
    store_eight(slab, kv_slab_offset(args.spec.head_dim, row, i), kBlockTokens * args.spec.head_dim,
                Eight<T>{});
}

// A group of lanes per head of a token, eight elements per lane.
template <class T>
__global__ void __launch_bounds__(kThreads) head_kernel(const __grid_constant__ HeadArgs<T> args) {
  launch_dependents();
  const RopeSpec& spec = args.spec;
  const int task = static_cast<int>(blockIdx.x * kThreads + threadIdx.x) / args.lanes;
  const bool active = task < args.num_tokens * args.heads;
  const int t = active ? task / args.heads : 0, h = active ? task % args.heads : 0;
  const int i = static_cast<int>(threadIdx.x) % args.lanes * 8;
  const bool is_q = h < spec.num_heads, is_v = h >= spec.num_heads + spec.num_kv_heads,
             inside = active && i < spec.head_dim;
  // Written before the step's first kernel starts: may be read before the dependency.
  const int slot = args.slots[t];
  const float* table = args.cos_sin + static_cast<int64_t>(args.positions[t]) * spec.rotary_dim;
  wait_for_dependencies();

  T* head = args.qkv + t * args.stride + h * spec.head_dim;
  const float* weights = is_v ? nullptr : is_q ? args.norm.wq : args.norm.wk;
  const Eight<T> mine = inside ? load_eight(head, i, spec.head_dim) : Eight<T>{};
  const float factor = args.norm.wq != nullptr ? norm_factor(args, mine) : 1.0f;
  Eight<T> out = mine;
  if (inside && !is_v) out = rotated(args, head, mine, i, factor, weights, table);
  __syncwarp();  // partners have been read before anything is overwritten
  if (!inside) return;
  if (!is_v) store_eight(head, i, spec.head_dim, out);
  if (is_q || slot < 0) return;
  const int row = slot % kBlockTokens, kv_head = (h - spec.num_heads) % spec.num_kv_heads;
  T* slab = args.pool +
            kv_slab(slot / kBlockTokens, is_v ? 1 : 0, kv_head, spec.num_kv_heads, spec.head_dim);
  store_eight(slab, kv_slab_offset(spec.head_dim, row, i), kBlockTokens * spec.head_dim, out);
  if (is_v && row == 0) zero_rest(args, slab, t, slot, i);
}

template <class T>
void rope_heads(const StreamRef& stream, Rows qkv, const float* cos_sin, const int32_t* positions,
                const int32_t* slots, void* kv_pool, const RopeSpec& spec, const HeadNorm& norm) {
  constexpr int kColumns = 32;  // of an image of the cache
  if (spec.head_dim % kColumns != 0 || spec.head_dim <= 0 || spec.head_dim > 256 ||
      spec.rotary_dim % 2 != 0 || spec.rotary_dim > spec.head_dim) {
    throw std::runtime_error(
        "heads of " + std::to_string(spec.head_dim) + " elements, " +
        std::to_string(spec.rotary_dim) + " of them rotated; there are kernels for multiples of " +
        std::to_string(kColumns) + " up to 256 and even rotations within them");
  }
  int lanes = 1;
  while (lanes * 8 < spec.head_dim) lanes *= 2;
  const int heads = spec.num_heads + 2 * spec.num_kv_heads;
  const int64_t threads = static_cast<int64_t>(qkv.rows) * heads * lanes;
  if (threads == 0) return;
  if (threads > kMostThreads)
    throw std::runtime_error(std::to_string(qkv.rows) + " tokens of " + std::to_string(heads) +
                             " heads: no launch has so many threads");
  const HeadArgs<T> args{
      static_cast<T*>(qkv.data), qkv.stride, spec,  norm, cos_sin, positions, slots,
      static_cast<T*>(kv_pool),  qkv.rows,   heads, lanes};
  launch(stream,
         {.grid = dim3(static_cast<unsigned>(ceil_div(threads, kThreads))), .threads = kThreads},
         head_kernel<T>, args);
}

}  // namespace

void rope_and_store(const StreamRef& stream, DType dtype, Rows qkv, const float* cos_sin,
                    const int32_t* positions, const int32_t* slots, void* kv_pool,
                    const RopeSpec& spec, const HeadNorm& norm) {
  if (dtype == DType::kF16)
    rope_heads<__half>(stream, qkv, cos_sin, positions, slots, kv_pool, spec, norm);
  else
    rope_heads<__nv_bfloat16>(stream, qkv, cos_sin, positions, slots, kv_pool, spec, norm);
}

}  // namespace ember::kernels
