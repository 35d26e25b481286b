// SPDX-License-Identifier: Apache-2.0
// Compiled for its instruction set alone (see isa.cmake).
#include "cpu/ints_avx512.h"
#include "cpu/kernel_tables.h"
#include "cpu/quantized_layout.h"

namespace ember::cpu {

namespace avx512 {
namespace {
#include "cpu/outputs_impl.h"
//
#include "cpu/quantized_tiles_impl.h"
//
#include "cpu/quantized_impl.h"
}  // namespace
}  // namespace avx512

const QuantizedKernels& avx512_quantized(Integers integers) {
  return integers == Integers::k16Bits ? avx512::kKernels<avx512::Int16>
                                       : avx512::kKernels<avx512::Int8>;
}

}  // namespace ember::cpu
