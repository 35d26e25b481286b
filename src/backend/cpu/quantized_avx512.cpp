// SPDX-License-Identifier: Apache-2.0
// Compiled for its instruction set alone (see isa.cmake).
#include "cpu/ints_avx512.h"
#include "cpu/kernel_tables.h"
#include "cpu/quantized_layout.h"

namespace ember::cpu {

namespace avx512 {
namespace {
#include "cpu/quantized_tiles_impl.h"
//
#include "cpu/quantized_impl.h"
}  // namespace
}  // namespace avx512

const QuantizedKernels& avx512_quantized() {
  static constexpr QuantizedKernels kernels{.prepare = avx512::prepare,
                                            .multiply = avx512::multiply};
  return kernels;
}

}  // namespace ember::cpu
