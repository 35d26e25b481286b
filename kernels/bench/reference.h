// SPDX-License-Identifier: Apache-2.0
// What kernels should compute, in double precision on the host, for the benchmark's cases and for
// the tests on the emulated machine.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include "ember/base/dtype.h"
#include "kernels/gemm.h"

namespace ember::kernels {

inline constexpr uint16_t kNan16 = 0x7fff;   // a NaN in float16 and bfloat16
inline constexpr uint16_t kCanary = 0x7f5a;  // another one

inline float half_value(DType dtype, uint16_t bits) {
  return dtype == DType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
}
inline uint16_t half_bits(DType dtype, float v) {
  return dtype == DType::kF16 ? float_to_f16(v) : float_to_bf16(v);
}

// What a gated epilogue makes of a gate and its up.
inline double gated(Epilogue epilogue, double gate, double up) {
  if (epilogue == Epilogue::kSiluMul) return gate / (1 + std::exp(-gate)) * up;
  const double inner = std::sqrt(2 / std::numbers::pi) * (gate + 0.044715 * gate * gate * gate);
  return gate / 2 * (1 + std::tanh(inner)) * up;
}

// How far a result of a product may be from the exact one: `unit` of its last place, and the error
// of sums in float32 of so large a magnitude, which the epilogue makes `slope` times larger.
inline double product_tolerance(double unit, double exact, double magnitude, double slope) {
  return std::abs(exact) * unit * 1.01 + 2e-6 * slope * (magnitude + 1) + 1e-7;
}
inline double product_unit(DType dtype, Epilogue epilogue) {
  if (epilogue == Epilogue::kLogits) return 0x1p-23;
  return dtype == DType::kF16 ? 0x1p-11 : 0x1p-8;
}

// One head of one token over the keys `first` to `last`; query(d), key(position, d) and
// value(position, d) are doubles. softcap 0: scores are not capped.
template <class Query, class Key, class Value>
std::vector<double> attention_row(int head_dim, int first, int last, double scale, double softcap,
                                  Query query, Key key, Value value) {
  std::vector<double> p, out(static_cast<size_t>(head_dim));
  double top = -INFINITY, total = 0;
  for (int k = first; k <= last; ++k) {
    double dot = 0;
    for (int d = 0; d < head_dim; ++d) dot += query(d) * key(k, d);
    const double score = dot * scale;
    p.push_back(softcap > 0 ? softcap * std::tanh(score / softcap) : score);
    top = std::max(top, p.back());
  }
  for (double& v : p) total += v = std::exp(v - top);
  for (int k = first; k <= last; ++k) {
    const double weight = p[static_cast<size_t>(k - first)] / total;
    for (int d = 0; d < head_dim; ++d) out[static_cast<size_t>(d)] += weight * value(k, d);
  }
  return out;
}

}  // namespace ember::kernels
