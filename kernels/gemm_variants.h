// SPDX-License-Identifier: Apache-2.0
// The implementations behind gemm(): one translation unit per architecture and type.
#pragma once

#include "kernels/gemm.h"

namespace ember::kernels {

// Parts of a sum over `in` (sm_90).
int gemm_parts(int out, int in);

inline constexpr int kGemmBoxRows = 64;  // of weights, in one copy (sm_90)

template <class T>
void gemm_sm90(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
               Epilogue epilogue, float scale);

// How a product runs: the CTAs of a cluster, the clusters, and how many of them the device has room
// for at a time.
struct GemmClusters {
  int ctas = 1, clusters = 0, at_once = 0;
};
template <class T>
GemmClusters gemm_clusters_sm90(const StreamRef& stream, const Matrix& w, int tokens);

template <class T>
void gemm_sm80(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
               Epilogue epilogue, float scale);

}  // namespace ember::kernels
