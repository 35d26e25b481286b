// SPDX-License-Identifier: Apache-2.0
// Compiled for its instruction set alone (see isa.cmake).
#include "cpu/kernel_tables.h"
#include "cpu/vec_avx2.h"

namespace ember::cpu {

namespace avx2 {
namespace {
#include "cpu/kernels_impl.h"
//
#include "cpu/outputs_impl.h"
//
#include "cpu/linear_impl.h"
//
#include "cpu/attention_impl.h"
}  // namespace
}  // namespace avx2

const Kernels& avx2_kernels() {
  static constexpr Kernels kernels{.linear_tasks = avx2::linear_tasks,
                                   .linear = avx2::linear,
                                   .linear_scratch = avx2::kPanelFloats,
                                   .split = nullptr,
                                   .attention = avx2::attention,
                                   .rms_norm = avx2::rms_norm,
                                   .add_rms_norm = avx2::add_rms_norm,
                                   .silu_mul = avx2::silu_mul,
                                   .gelu_mul = avx2::gelu_mul,
                                   .softcap = avx2::softcap,
                                   .exp = avx2::exp};
  return kernels;
}

}  // namespace ember::cpu
