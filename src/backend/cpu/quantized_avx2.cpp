// SPDX-License-Identifier: Apache-2.0
// Compiled for its instruction set alone (see isa.cmake).
#include "cpu/ints_avx2.h"
#include "cpu/kernel_tables.h"
#include "cpu/quantized_layout.h"

namespace ember::cpu {

namespace avx2 {
namespace {
#include "cpu/outputs_impl.h"
//
#include "cpu/quantized_tiles_impl.h"
//
#include "cpu/quantized_impl.h"
}  // namespace
}  // namespace avx2

const QuantizedKernels& avx2_quantized(Integers integers) {
  return integers == Integers::k16Bits ? avx2::kKernels<avx2::Int16> : avx2::kKernels<avx2::Int8>;
}

}  // namespace ember::cpu
