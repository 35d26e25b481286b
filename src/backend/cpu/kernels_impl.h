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
