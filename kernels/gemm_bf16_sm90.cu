// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm_sm90.cuh"

template void ember::kernels::gemm_sm90<__nv_bfloat16>(const StreamRef&, const Matrix&, Rows, void*,
                                                       int64_t, Epilogue, float);
template ember::kernels::GemmClusters ember::kernels::gemm_clusters_sm90<__nv_bfloat16>(
    const StreamRef&, const Matrix&, int);
