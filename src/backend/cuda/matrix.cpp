// SPDX-License-Identifier: Apache-2.0
#include "cuda/matrix.h"

#include <fmt/format.h>

#include <stdexcept>
#include <vector>

#include "ember/base/integers.h"
#include "ember/base/start_error.h"

namespace ember::cuda {

namespace {

int64_t padded(int64_t in) { return round_up(in, 8); }

// Where row r of the stacked weights is.
struct Place {
  size_t part;
  int64_t row;
};

Place find(std::span<const WeightView> parts, int64_t row) {
  size_t part = 0;
  for (; row >= parts[part].rows; ++part) row -= parts[part].rows;
  return {part, row};
}

}  // namespace

size_t matrix_bytes(const Arena& arena, int64_t out, int64_t in, bool bias) {
  const size_t weights = arena.rounded(static_cast<size_t>(out * padded(in)) * sizeof(uint16_t));
  return weights + (bias ? arena.rounded(static_cast<size_t>(out) * sizeof(float)) +
                               arena.rounded(static_cast<size_t>(out) * sizeof(uint16_t))
                         : 0);
}

Matrix make_matrix(Arena& arena, WeightUpload& upload, const kernels::StreamRef& queue, DType dtype,
                   std::span<const WeightView> weights, std::span<const Tensor> biases,
                   bool gated) {
  Matrix matrix;
  matrix.in = weights.front().columns;
  int64_t out = 0;
  for (const WeightView& weight : weights) {
    if (weight.format != format_of(dtype) || weight.columns != matrix.in)
      throw StartError(
          ExitCode::kBadModel,
          fmt::format("a matrix is {} with {} columns where {} with {} is expected",
                      name_of(weight.format), weight.columns, name_of(dtype), matrix.in));
    out += weight.rows;
  }
  if (gated && out % 16 != 0)
    throw std::runtime_error(fmt::format(
        "the width of the feed-forward layer is {}, it must be a multiple of 8", out / 2));
  const auto source_row = [&](int64_t r) { return gated ? gated_row(r, out) : r; };
  const size_t row_bytes = static_cast<size_t>(padded(matrix.in)) * sizeof(uint16_t),
               source_bytes = static_cast<size_t>(matrix.in) * sizeof(uint16_t);
  void* const data = arena.take(static_cast<size_t>(out) * row_bytes);
  upload.rows(data, out, row_bytes, source_bytes, [&](int64_t r) -> const void* {
    const Place at = find(weights, source_row(r));
    return weights[at.part].row(at.row);
  });
  float* bias = nullptr;
  if (!biases.empty()) {
    std::vector<float> values(static_cast<size_t>(out));
    std::vector<uint16_t> values16(values.size());
    for (int64_t r = 0; r < out; ++r) {
      const Place at = find(weights, source_row(r));
      const Tensor& part = biases[at.part];
      const float value =
          part ? element_to_float(part.dtype, part.data, static_cast<size_t>(at.row)) : 0;
      values[static_cast<size_t>(r)] = value;
      values16[static_cast<size_t>(r)] =
          dtype == DType::kF16 ? float_to_f16(value) : float_to_bf16(value);
    }
    bias = static_cast<float*>(arena.take(values.size() * sizeof(float)));
    void* const bias16 = arena.take(values16.size() * sizeof(uint16_t));
    upload.bytes(bias, values.data(), values.size() * sizeof(float));
    upload.bytes(bias16, values16.data(), values16.size() * sizeof(uint16_t));
    matrix.bias16 = bias16;
  }
  matrix.plan = kernels::make_matrix(queue, data, bias, dtype, static_cast<int>(out),
                                     static_cast<int>(padded(matrix.in)));
  return matrix;
}

}  // namespace ember::cuda
