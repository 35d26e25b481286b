// SPDX-License-Identifier: Apache-2.0
#include "cpu/packed_linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ember/base/start_error.h"

namespace ember::cpu {

namespace {

// Copies 32 rows of the stacked weights to their block, a few columns at a time, so that reads and
// writes stay in the cache.
template <class T>
void pack_block(std::span<const Tensor> weights, const PackedLinear& matrix, int64_t block,
                T* packed) {
  const unsigned char* sources[kBlockOutputs] = {};  // tensors of a file may lie at any address
  int64_t first = 0;                                 // row of the stack at which the tensor begins
  for (const Tensor& weight : weights) {
    for (int64_t i = 0; i < kBlockOutputs; ++i) {
      const int64_t row = block * kBlockOutputs + i - first;
      if (row < 0 || row >= weight.shape[0]) continue;
      sources[i] = static_cast<const unsigned char*>(weight.data) +
                   static_cast<size_t>(row * matrix.in) * sizeof(T);
    }
    first += weight.shape[0];
  }
  const int64_t step = packed_index(matrix.dtype, matrix.in, 0, 2) / 2,
                pair = packed_index(matrix.dtype, matrix.in, 0, 1);
  for (int64_t begin = 0; begin < matrix.in; begin += kPaddedInputs)
    for (int64_t i = 0; i < kBlockOutputs && sources[i] != nullptr; ++i) {
      T* column = packed + packed_index(matrix.dtype, matrix.in, block * kBlockOutputs + i, 0);
      for (int64_t k = begin; k < std::min(matrix.in, begin + kPaddedInputs); ++k)
        std::memcpy(column + k / 2 * 2 * step + k % 2 * pair,
                    sources[i] + static_cast<size_t>(k) * sizeof(T), sizeof(T));
    }
}

}  // namespace

float to_float(const Tensor& tensor, int64_t i) {
  const auto* bytes = static_cast<const unsigned char*>(tensor.data) +
                      static_cast<size_t>(i) * size_of(tensor.dtype);
  uint32_t bits = 0;  // tensors of a file may lie at any address
  std::memcpy(&bits, bytes, size_of(tensor.dtype));
  if (tensor.dtype == DType::kF16) return f16_to_float(static_cast<uint16_t>(bits));
  if (tensor.dtype == DType::kBF16) return bf16_to_float(static_cast<uint16_t>(bits));
  return std::bit_cast<float>(bits);
}

size_t PackedLinear::bytes(DType dtype, int64_t out, int64_t in, bool bias) {
  const auto outputs = static_cast<size_t>(round_up(out, kBlockOutputs)),
             inputs = static_cast<size_t>(round_up(in, kPaddedInputs));
  return outputs * inputs * size_of(dtype) + (bias ? outputs * sizeof(float) : 0);
}

PackedLinear pack(std::span<const Tensor> weights, std::span<const Tensor> biases, Arena& arena,
                  ThreadPool& pool) {
  PackedLinear matrix;
  matrix.dtype = weights.front().dtype;
  matrix.in = weights.front().shape[1];
  for (const Tensor& weight : weights) {
    if (weight.dtype != matrix.dtype || weight.shape[1] != matrix.in)
      throw StartError(
          ExitCode::kBadModel,
          fmt::format("matrices that are used as one differ: {} with {} columns, {} with {}",
                      name_of(matrix.dtype), matrix.in, name_of(weight.dtype), weight.shape[1]));
    matrix.out += weight.shape[0];
  }
  matrix.weights = arena.allocate(PackedLinear::bytes(matrix.dtype, matrix.out, matrix.in, false));
  pool.run(static_cast<int>(matrix.blocks()), [&](int block, int) {
    if (size_of(matrix.dtype) == 2)
      pack_block(weights, matrix, block, static_cast<uint16_t*>(matrix.weights));
    else
      pack_block(weights, matrix, block, static_cast<uint32_t*>(matrix.weights));
  });
  if (biases.empty()) return matrix;
  matrix.bias = static_cast<float*>(
      arena.allocate(static_cast<size_t>(matrix.blocks() * kBlockOutputs) * sizeof(float)));
  int64_t row = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    for (int64_t r = 0; biases[i] && r < weights[i].shape[0]; ++r)
      matrix.bias[row + r] = to_float(biases[i], r);
    row += weights[i].shape[0];
  }
  return matrix;
}

void unpack_row(const PackedLinear& matrix, int64_t row, float* y) {
  const Tensor all(matrix.weights, matrix.dtype,
                   {matrix.blocks() * kBlockOutputs, round_up(matrix.in, kPaddedInputs)});
  for (int64_t k = 0; k < matrix.in; ++k)
    y[k] = to_float(all, packed_index(matrix.dtype, matrix.in, row, k));
}

}  // namespace ember::cpu
