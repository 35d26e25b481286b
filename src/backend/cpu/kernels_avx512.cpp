// SPDX-License-Identifier: Apache-2.0
// Compiled for its instruction set alone (see isa.cmake).
#include "cpu/kernel_tables.h"
#include "cpu/vec_avx512.h"

namespace ember::cpu {

namespace avx512 {
namespace {
#include "cpu/kernels_impl.h"
//
#include "cpu/outputs_impl.h"
//
#include "cpu/linear_impl.h"
//
#include "cpu/attention_impl.h"
}  // namespace
}  // namespace avx512

const Kernels& avx512_kernels() {
  static constexpr Kernels kernels{.linear_tasks = avx512::linear_tasks,
                                   .linear = avx512::linear,
                                   .linear_scratch = avx512::kPanelFloats,
                                   .split = nullptr,
                                   .attention = avx512::attention,
                                   .rms_norm = avx512::rms_norm,
                                   .add_rms_norm = avx512::add_rms_norm,
                                   .silu_mul = avx512::silu_mul,
                                   .gelu_mul = avx512::gelu_mul,
                                   .softcap = avx512::softcap,
                                   .exp = avx512::exp};
  return kernels;
}

}  // namespace ember::cpu
