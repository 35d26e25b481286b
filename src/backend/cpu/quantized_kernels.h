// SPDX-License-Identifier: Apache-2.0
// Products with quantised weights: activations become integers, sums over 32 inputs are exact.
//
// Row x, block b of 32 inputs: a = max |x|; v = round to nearest even (x * (m / a)) and dx = a / m,
// where m is 32767 for integers of 16 bits and 127 for those of 8. a < 1e-30: v = 0, dx = 0. a
// infinite or NaN: v = 0, dx = NaN, so that every output of the row is NaN. An output is, blocks
// ascending,
//   sum = fma(float(sum of v * (code - zero)), scale * dx, sum)          for each group,
//   sum = fma(float(sum of v) * dx, minimum, sum)                        where there is a minimum,
// in each leaf of its inputs, whose ends are multiples of 32; then its bias and the scale of the
// product. Sums of integers have no order, and the chain over
// blocks has one: the bits are the same for every instruction set, number of rows and task.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "cpu/kernels.h"
#include "ember/base/weight_format.h"

namespace ember::cpu {

// What inputs become.
enum class Integers : uint8_t { k16Bits, k8Bits };

// What prepare makes of rows of inputs; their number is a multiple of 32.
struct PreparedRows {
  // [rows, in] of int16_t; or of int8_t, of which each eight have the order of quads.
  void* v = nullptr;
  float* dx = nullptr;        // [rows, in / 32]
  float* dx_sums = nullptr;   // [rows, in / 32] float(sum of v) * dx
  int32_t* v_sums = nullptr;  // [rows, in / 16]

  static int64_t bytes(Integers integers, int64_t rows, int64_t in);
  // Views of memory of so many bytes, aligned to a cache line.
  static PreparedRows in_memory(Integers integers, void* memory, int64_t rows, int64_t in);
};

// y[m, n] = scale * (sum_k x[m, k] * w[n, k] + bias[n]), or that added to y[m, n].
struct QuantizedArgs {
  WeightFormat format = WeightFormat::kQ8_0;
  const void* panels = nullptr;  // see quantized_layout.h
  const float* bias = nullptr;   // [ceil(N / 32) * 32] or null
  PreparedRows x;
  float* y = nullptr;
  int64_t y_stride = 0;
  float scale = 1;
  bool add = false;
  int64_t rows = 0, in = 0, out = 0;  // M, K, N
  Leaves leaves;                      // of the K inputs
};

struct QuantizedKernels {
  Integers integers;  // of the prepared rows
  // Rows [begin, end) of x.
  void (*prepare)(const PreparedRows& to, const float* x, int64_t x_stride, int64_t in,
                  int64_t begin, int64_t end);
  // All rows by the 32 outputs of a panel; the panels in any order.
  void (*multiply)(const QuantizedArgs& args, int64_t panel);
};

// The machine must have `isa`; vnni: AVX-512 VNNI, which only replaces instructions of AVX-512.
const QuantizedKernels& quantized_kernels_of(Isa isa, Integers integers,
                                             bool vnni = machine_has_vnni());

}  // namespace ember::cpu
