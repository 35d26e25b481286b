// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm_sm80.cuh"

template void ember::kernels::gemm_sm80<__nv_bfloat16>(const StreamRef&, const Matrix&, Rows, void*,
                                                       int64_t, Epilogue, float);
