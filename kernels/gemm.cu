// SPDX-License-Identifier: Apache-2.0
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <stdexcept>
#include <string>

#include "ember/base/integers.h"
#include "kernels/common/tensor_map.h"
#include "kernels/gemm.h"
#include "kernels/gemm_variants.h"

namespace ember::kernels {

namespace {

// CTAs that run at a time on the largest device: two for each of 132 multiprocessors. A constant,
// so that results do not depend on the device's size.
constexpr int kCtaSlots = 264;
constexpr int kMostParts = 4;
constexpr int kLeastBlocks = 4;  // 64-wide blocks of `in` in each part

}  // namespace

// Most parts that still run in one wave of the smallest tiles: 2 for qkv, 4 for o and down, 1 for
// gate_up of an 8B model.
int gemm_parts(int out, int in) {
  const int tiles = ceil_div(out, 64), blocks = ceil_div(in, 64);
  int split = 1;
  while (split < kMostParts && tiles * split * 2 <= kCtaSlots &&
         blocks / (split * 2) >= kLeastBlocks)
    split *= 2;
  return split;
}

Matrix make_matrix(const StreamRef& stream, const void* data, const float* bias, DType dtype,
                   int out, int in) {
  const std::string shape = std::to_string(out) + " x " + std::to_string(in) + " " + name_of(dtype);
  const auto refuse = [&shape](const std::string& why) {
    throw std::runtime_error("no matrix product for a weight of " + shape + ": " + why);
  };
  if (stream.sm < 80)
    refuse("compute capability 8.0 or later is needed, this device has " +
           std::to_string(stream.sm / 10) + "." + std::to_string(stream.sm % 10));
  if (dtype != DType::kF16 && dtype != DType::kBF16) refuse("float16 and bfloat16 exist");
  if (out < 1 || in < 8 || in % 8 != 0)
    refuse("at least 1 row and a multiple of 8 columns are needed");
  if (reinterpret_cast<uintptr_t>(data) % 16 != 0)
    refuse("it must begin at a multiple of 16 bytes");
  Matrix w{.data = data, .bias = bias, .dtype = dtype, .out = out, .in = in};
  if (is_hopper(stream)) {
    w.split = gemm_parts(out, in);
    const auto columns = static_cast<uint64_t>(in);
    w.map = make_tensor_map(data, {.rank = 2,
                                   .dims = {columns, static_cast<uint64_t>(out)},
                                   .strides = {columns * 2},
                                   .box = {64, kGemmBoxRows}});
  }
  return w;
}

void gemm(const StreamRef& stream, const Matrix& w, Rows x, void* y, int64_t y_stride,
          Epilogue epilogue, float scale) {
  if (x.columns != w.in || (is_gated(epilogue) && w.out % 16 != 0)) {
    throw std::runtime_error("gemm: x has " + std::to_string(x.columns) +
                             " columns, the weight is " + std::to_string(w.out) + " x " +
                             std::to_string(w.in));
  }
  if (x.rows == 0) return;
  if (is_hopper(stream)) {
    if (w.dtype == DType::kF16)
      gemm_sm90<__half>(stream, w, x, y, y_stride, epilogue, scale);
    else
      gemm_sm90<__nv_bfloat16>(stream, w, x, y, y_stride, epilogue, scale);
  } else {
    if (w.dtype == DType::kF16)
      gemm_sm80<__half>(stream, w, x, y, y_stride, epilogue, scale);
    else
      gemm_sm80<__nv_bfloat16>(stream, w, x, y, y_stride, epilogue, scale);
  }
}

}  // namespace ember::kernels
