// SPDX-License-Identifier: Apache-2.0
// The implementations behind gemm(): one translation unit per architecture and type.
#pragma once

#include "kernels/gemm.h"

namespace ember::kernels {

template <class T>
void gemm_sm90(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
               Epilogue epilogue, float scale);

template <class T>
void gemm_sm80(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
               Epilogue epilogue, float scale);

}  // namespace ember::kernels
