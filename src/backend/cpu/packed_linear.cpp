#include "backend/cpu/packed_linear.h"

#include <fmt/format.h>

#include <cstring>

#include "ember/base/start_error.h"

namespace ember::cpu {

namespace {

template <class T>
void pack_rows(const Tensor& weight, int64_t first_row, T* packed) {
  const int64_t rows = weight.shape[0], in = weight.shape[1];
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = first_row + r;
    T* column = packed + row / kBlockOutputs * in * kBlockOutputs + row % kBlockOutputs;
    const auto* source = static_cast<const unsigned char*>(weight.data) + static_cast<size_t>(r * in) * sizeof(T);
    for (int64_t k = 0; k < in; ++k) std::memcpy(column + k * kBlockOutputs, source + static_cast<size_t>(k) * sizeof(T), sizeof(T));
  }
}

}  // namespace

float to_float(const Tensor& tensor, int64_t i) {
  const auto* bytes = static_cast<const unsigned char*>(tensor.data) + static_cast<size_t>(i) * size_of(tensor.dtype);
  uint32_t bits = 0;  // tensors of a file may lie at any address
  std::memcpy(&bits, bytes, size_of(tensor.dtype));
  if (tensor.dtype == DType::kF16) return f16_to_float(static_cast<uint16_t>(bits));
  if (tensor.dtype == DType::kBF16) return bf16_to_float(static_cast<uint16_t>(bits));
  return std::bit_cast<float>(bits);
}

size_t PackedLinear::bytes(DType dtype, int64_t out, int64_t in, bool bias) {
  const int64_t padded = (out + kBlockOutputs - 1) / kBlockOutputs * kBlockOutputs;
  return static_cast<size_t>(padded) * static_cast<size_t>(in) * size_of(dtype) + (bias ? static_cast<size_t>(padded) * sizeof(float) : 0);
}

PackedLinear pack(std::span<const Tensor> weights, std::span<const Tensor> biases, Arena& arena) {
  PackedLinear matrix;
  matrix.dtype = weights.front().dtype;
  matrix.in = weights.front().shape[1];
  for (const Tensor& weight : weights) {
    if (weight.dtype != matrix.dtype || weight.shape[1] != matrix.in)
      throw StartError(ExitCode::kBadModel, fmt::format("matrices that are used as one differ: {} with {} columns, {} with {}", name_of(matrix.dtype),
                                                        matrix.in, name_of(weight.dtype), weight.shape[1]));
    matrix.out += weight.shape[0];
  }
  matrix.weights = arena.allocate(PackedLinear::bytes(matrix.dtype, matrix.out, matrix.in, false));
  int64_t row = 0;
  for (const Tensor& weight : weights) {
    if (size_of(matrix.dtype) == 2) pack_rows(weight, row, static_cast<uint16_t*>(matrix.weights));
    else pack_rows(weight, row, static_cast<uint32_t*>(matrix.weights));
    row += weight.shape[0];
  }
  if (biases.empty()) return matrix;
  matrix.bias = static_cast<float*>(arena.allocate(static_cast<size_t>(matrix.blocks() * kBlockOutputs) * sizeof(float)));
  row = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    for (int64_t r = 0; biases[i] && r < weights[i].shape[0]; ++r) matrix.bias[row + r] = to_float(biases[i], r);
    row += weights[i].shape[0];
  }
  return matrix;
}

void unpack_row(const PackedLinear& matrix, int64_t row, float* y) {
  const int64_t first = row / kBlockOutputs * matrix.in * kBlockOutputs + row % kBlockOutputs;
  const Tensor all(matrix.weights, matrix.dtype, {matrix.blocks() * matrix.in * kBlockOutputs});
  for (int64_t k = 0; k < matrix.in; ++k) y[k] = to_float(all, first + k * kBlockOutputs);
}

}  // namespace ember::cpu
