// SPDX-License-Identifier: Apache-2.0
// The kernels of each instruction set, unasked: on a processor that lacks the set even these
// functions are illegal instructions. For kernels.cpp and quantized_kernels.cpp, which ask first,
// and for the files of kernels themselves. Everybody else calls kernels_of() and
// quantized_kernels_of().
#pragma once

#include "cpu/kernels.h"
#include "cpu/quantized_kernels.h"

namespace ember::cpu {

const Kernels& avx2_kernels();
const Kernels& avx512_kernels();
const Kernels& amx_kernels();

const QuantizedKernels& avx2_quantized(Integers integers);
const QuantizedKernels& avx512_quantized(Integers integers);
const QuantizedKernels& vnni_quantized(Integers integers);

}  // namespace ember::cpu
