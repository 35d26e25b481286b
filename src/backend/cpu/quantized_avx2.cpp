// SPDX-License-Identifier: Apache-2.0
// Compiled for its instruction set alone (see isa.cmake).
#include "cpu/ints_avx2.h"
#include "cpu/kernel_tables.h"
#include "cpu/quantized_layout.h"

namespace ember::cpu {

namespace avx2 {
namespace {
#include "cpu/quantized_tiles_impl.h"
//
#include "cpu/quantized_impl.h"
}  // namespace
}  // namespace avx2

const QuantizedKernels& avx2_quantized() {
  static constexpr QuantizedKernels kernels{.prepare = avx2::prepare, .multiply = avx2::multiply};
  return kernels;
}

}  // namespace ember::cpu
