// SPDX-License-Identifier: Apache-2.0
// Written once over Vec (16 floats); included inside the namespace of an instruction set, in the
// one file compiled for it. Uses nothing of the standard library, so that no shared inline function
// is compiled with that file's instructions.

template <int n>
struct Count {};

// exp: 2^n * e^r with |r| <= ln(2)/2, e^r by its Taylor series to r^7 (relative error below 1e-7).
// 0 below -87. A NaN stays: min and max give their second operand where one is a NaN.
inline Vec exp_vec(Vec x) {
  const Vec clamped = min(splat(88.0f), max(splat(-87.0f), x));
  const Vec n = round(mul(clamped, splat(1.44269504f)));
  Vec r = fma(n, splat(-0.693359375f), clamped);  // ln 2 in two parts
  r = fma(n, splat(2.12194440e-4f), r);
  Vec p = splat(1.0f / 5040);
  p = fma(p, r, splat(1.0f / 720));
  p = fma(p, r, splat(1.0f / 120));
  p = fma(p, r, splat(1.0f / 24));
  p = fma(p, r, splat(1.0f / 6));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r, splat(1.0f));
  p = fma(p, r, splat(1.0f));
  return replace_below(x, splat(-87.0f), scale2(p, n), zero());
}

// cap * tanh(x / cap). tanh(u) = 1 - 2 / (1 + e^2u), which is off by 1e-7 at most. A NaN stays.
inline Vec softcap_vec(Vec x, float cap) {
  const Vec one = splat(1.0f), u = div(x, splat(cap));
  return mul(splat(cap), sub(one, div(splat(2.0f), add(one, exp_vec(add(u, u))))));
}

// Weights [16 * half, 16 * half + 16) of a block at k, which is even for First and odd otherwise.
template <bool First, class W>
inline Vec load_weights(const W* block, int64_t k, int half) {
  return load(block + k * kBlockOutputs + half * kLanes);
}
template <bool First>
inline Vec load_weights(const BF16* block, int64_t k, int half) {
  return (First ? load_first : load_second)(block + (k / 2 * kBlockOutputs + half * kLanes) * 2);
}

// The products of one k.
template <bool First, class W, int R, int B>
inline void add_products(const W* w, int64_t block_size, const float* x, int64_t x_stride,
                         int64_t k, Vec (&sums)[R][B][2]) {
  Vec weights[B][2];
#pragma GCC unroll 4
  for (int b = 0; b < B; ++b) {
    weights[b][0] = load_weights<First>(w + b * block_size, k, 0);
    weights[b][1] = load_weights<First>(w + b * block_size, k, 1);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const Vec input = splat(x[r * x_stride + k]);
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) {
      sums[r][b][0] = fma(input, weights[b][0], sums[r][b][0]);
      sums[r][b][1] = fma(input, weights[b][1], sums[r][b][1]);
    }
  }
}

// R rows and B blocks of outputs in registers over the whole of K, in order, one fused multiply-add
// each.
template <class W, int R, int B>
inline void linear_tile(const LinearArgs& args, int64_t row, int64_t block) {
  const int64_t block_size = round_up(args.in, kPaddedInputs) * kBlockOutputs;
  const W* w = static_cast<const W*>(args.weights) + block * block_size;
  const float* x = args.x + row * args.x_stride;
  Vec sums[R][B][2];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) sums[r][b][0] = sums[r][b][1] = zero();
  int64_t k = 0;
  for (; k + 2 <= args.in; k += 2) {
    add_products<true>(w, block_size, x, args.x_stride, k, sums);
    add_products<false>(w, block_size, x, args.x_stride, k + 1, sums);
  }
  if (k < args.in) add_products<true>(w, block_size, x, args.x_stride, k, sums);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b)
      for (int half = 0; half < 2; ++half) {
        const int64_t n = (block + b) * kBlockOutputs + half * kLanes;
        const int64_t count = args.out - n < kLanes ? args.out - n : kLanes;
        if (count <= 0) continue;
        float* y = args.y + (row + r) * args.y_stride + n;
        Vec sum =
            args.bias != nullptr ? add(sums[r][b][half], load(args.bias + n)) : sums[r][b][half];
        sum = mul(sum, splat(args.scale));
        if (args.add) sum = add(load_some(y, count), sum);
        store_some(y, sum, count);
      }
}

template <class W, int B, int R>
inline void linear_rest(const LinearArgs& args, int64_t row, int64_t block, Count<R>) {
  if (args.rows - row == R)
    linear_tile<W, R, B>(args, row, block);
  else
    linear_rest<W, B>(args, row, block, Count<R - 1>{});
}
template <class W, int B>
inline void linear_rest(const LinearArgs&, int64_t, int64_t, Count<0>) {}
template <class W, int B>
inline void linear_rows(const LinearArgs& args, int64_t block) {
  int64_t row = 0;
  for (; args.rows - row >= kTileRows; row += kTileRows)
    linear_tile<W, kTileRows, B>(args, row, block);
  linear_rest<W, B>(args, row, block, Count<kTileRows - 1>{});
}

constexpr int kTaskBlocks = 2;  // blocks of one task, with all rows

int64_t linear_tasks(const LinearArgs& args) {
  return round_up(args.out, kTaskBlocks * kBlockOutputs) / (kTaskBlocks * kBlockOutputs);
}

template <class W>
inline void linear_task(const LinearArgs& args, int64_t task) {
  const int64_t blocks = (args.out + kBlockOutputs - 1) / kBlockOutputs;
  int64_t block = task * kTaskBlocks,
          end = block + kTaskBlocks < blocks ? block + kTaskBlocks : blocks;
  for (; end - block >= kTileBlocks; block += kTileBlocks) linear_rows<W, kTileBlocks>(args, block);
  for (; block < end; ++block) linear_rows<W, 1>(args, block);
}

void linear(const LinearArgs& args, int64_t task, float*) {
  switch (args.dtype) {
    case DType::kF16:
      return linear_task<F16>(args, task);
    case DType::kBF16:
      return linear_task<BF16>(args, task);
    default:
      return linear_task<float>(args, task);
  }
}

inline Vec load_at(const float* p, int64_t i, int64_t n) {
  return n - i >= kLanes ? load(p + i) : load_some(p + i, n - i);
}
inline void store_at(float* p, int64_t i, int64_t n, Vec a) {
  if (n - i >= kLanes)
    store(p + i, a);
  else
    store_some(p + i, a, n - i);
}

void rms_norm(float* y, const float* x, const float* w, float eps, int64_t n) {
  Vec squares = zero();
  for (int64_t i = 0; i < n; i += kLanes) {
    const Vec v = load_at(x, i, n);
    squares = fma(v, v, squares);
  }
  const Vec factor =
      splat(1.0f / __builtin_sqrtf(sum_lanes(squares) / static_cast<float>(n) + eps));
  for (int64_t i = 0; i < n; i += kLanes)
    store_at(y, i, n, mul(mul(load_at(x, i, n), factor), load_at(w, i, n)));
}

void add_rms_norm(float* y, float* residual, const float* x, const float* w, float eps, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes)
    store_at(residual, i, n, add(load_at(residual, i, n), load_at(x, i, n)));
  rms_norm(y, residual, w, eps, n);
}

void silu_mul(float* y, const float* gate, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const Vec g = load_at(gate, i, n);
    const Vec silu = div(g, add(splat(1.0f), exp_vec(sub(zero(), g))));
    store_at(y, i, n, mul(silu, load_at(up, i, n)));
  }
}

// g/2 (1 + tanh(u)) = g / (1 + e^-2u), u = sqrt(2/pi) (g + 0.044715 g^3).
void gelu_mul(float* y, const float* gate, const float* up, int64_t n) {
  const Vec linear = splat(-1.59576912f), cubic = splat(-1.59576912f * 0.044715f);
  for (int64_t i = 0; i < n; i += kLanes) {
    const Vec g = load_at(gate, i, n);
    const Vec exponent = mul(g, fma(mul(g, g), cubic, linear));
    store_at(y, i, n, mul(div(g, add(splat(1.0f), exp_vec(exponent))), load_at(up, i, n)));
  }
}

void softcap(float* x, float cap, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) store_at(x, i, n, softcap_vec(load_at(x, i, n), cap));
}

void exp(float* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) store_at(y, i, n, exp_vec(load_at(x, i, n)));
}
