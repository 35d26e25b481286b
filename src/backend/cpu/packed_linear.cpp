// SPDX-License-Identifier: Apache-2.0
#include "cpu/packed_linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "cpu/quantized_linear.h"
#include "ember/base/start_error.h"

namespace ember::cpu {

namespace {

void require_kernel(WeightFormat format) {
  if (!dtype_of(format) && !has_panels(format))
    throw StartError(
        ExitCode::kBadModel,
        fmt::format("the CPU multiplies with float32, float16, bfloat16, Q8_0, Q4_0, Q4_1, Q5_0, "
                    "Q5_1, Q4_K, Q5_K and Q6_K weights, not with {}",
                    name_of(format)));
}

// The segments of the stacked weights, without memory.
template <class Shape>
std::vector<Segment> segments_of(std::span<const Shape> weights) {
  std::vector<Segment> segments;
  int64_t row = 0;
  for (const WeightShape& weight : weights) {
    require_kernel(weight.format);
    if (segments.empty() || segments.back().format != weight.format)
      segments.push_back({.format = weight.format, .first_output = row});
    segments.back().outputs += weight.rows;
    row += weight.rows;
  }
  return segments;
}

size_t weight_bytes(const Segment& segment, int64_t in) {
  if (has_panels(segment.format)) return panels_bytes(segment.format, segment.outputs, in);
  return static_cast<size_t>(segment.blocks() * kBlockOutputs * round_up(in, kPaddedInputs)) *
         size_of(dtype_of(segment.format).value());
}

size_t bias_bytes(const Segment& segment) {
  return static_cast<size_t>(segment.blocks() * kBlockOutputs) * sizeof(float);
}

const std::byte* stacked_row(std::span<const WeightView> weights, int64_t row) {
  size_t i = 0;
  for (; row >= weights[i].rows; ++i) row -= weights[i].rows;
  return weights[i].row(row);
}

// Copies 32 rows of plain numbers to their block, a few columns at a time, so that reads and writes
// stay in the cache.
template <class T>
void pack_numbers(std::span<const std::byte* const> sources, const Segment& segment, int64_t in,
                  int64_t block) {
  auto* const packed = static_cast<T*>(segment.weights);
  const DType dtype = dtype_of(segment.format).value();
  const int64_t step = packed_index(dtype, in, 0, 2) / 2, pair = packed_index(dtype, in, 0, 1);
  for (int64_t begin = 0; begin < in; begin += kPaddedInputs)
    for (size_t i = 0; i < sources.size(); ++i) {
      T* column =
          packed + packed_index(dtype, in, block * kBlockOutputs + static_cast<int64_t>(i), 0);
      for (int64_t k = begin; k < std::min(in, begin + kPaddedInputs); ++k)
        std::memcpy(column + k / 2 * 2 * step + k % 2 * pair,
                    sources[i] + static_cast<size_t>(k) * sizeof(T), sizeof(T));
    }
}

void pack_block(std::span<const WeightView> weights, const Segment& segment, int64_t in,
                int64_t block) {
  const int64_t first = block * kBlockOutputs,
                rows = std::min<int64_t>(kBlockOutputs, segment.outputs - first);
  const std::byte* rows_of_block[kBlockOutputs] = {};
  for (int64_t i = 0; i < rows; ++i)
    rows_of_block[i] = stacked_row(weights, segment.first_output + first + i);
  const std::span<const std::byte* const> sources(rows_of_block, static_cast<size_t>(rows));
  if (has_panels(segment.format))
    pack_panel(segment.format, sources, in, segment.weights, block);
  else if (segment.format == WeightFormat::kF32)
    pack_numbers<uint32_t>(sources, segment, in, block);
  else
    pack_numbers<uint16_t>(sources, segment, in, block);
}

void pack_biases(PackedLinear& matrix, std::span<const WeightView> weights,
                 std::span<const Tensor> biases, Arena& arena) {
  for (Segment& segment : matrix.segments)
    segment.bias = static_cast<float*>(arena.allocate(bias_bytes(segment)));
  int64_t row = 0;  // of the stack
  auto segment = matrix.segments.begin();
  for (size_t i = 0; i < weights.size(); row += weights[i++].rows) {
    while (row >= segment->first_output + segment->outputs) ++segment;
    for (int64_t r = 0; biases[i] && r < weights[i].rows; ++r)
      segment->bias[row - segment->first_output + r] =
          element_to_float(biases[i].dtype, biases[i].data, static_cast<size_t>(r));
  }
}

}  // namespace

size_t PackedLinear::bytes(std::span<const WeightShape> weights, bool bias) {
  size_t bytes = 0;
  for (const Segment& segment : segments_of(weights))
    bytes += weight_bytes(segment, weights.front().columns) + (bias ? bias_bytes(segment) : 0);
  return bytes;
}

PackedLinear pack(std::span<const WeightView> weights, std::span<const Tensor> biases, Arena& arena,
                  ThreadPool& pool) {
  const WeightView& first = weights.front();
  PackedLinear matrix{.in = first.columns, .segments = segments_of(weights)};
  for (const WeightView& weight : weights) {
    if (weight.columns != matrix.in)
      throw StartError(
          ExitCode::kBadModel,
          fmt::format("matrices that are used as one differ: {} with {} columns, {} with {}",
                      name_of(first.format), matrix.in, name_of(weight.format), weight.columns));
    matrix.out += weight.rows;
  }
  for (Segment& segment : matrix.segments) {
    segment.weights = arena.allocate(weight_bytes(segment, matrix.in));
    pool.run(static_cast<int>(segment.blocks()),
             [&](int block, int) { pack_block(weights, segment, matrix.in, block); });
  }
  if (!biases.empty()) pack_biases(matrix, weights, biases, arena);
  return matrix;
}

void unpack_row(const PackedLinear& matrix, int64_t row, float* y) {
  auto segment = matrix.segments.begin();
  while (row >= segment->first_output + segment->outputs) ++segment;
  row -= segment->first_output;
  const std::optional<DType> dtype = dtype_of(segment->format);
  if (!dtype) return unpack_panel_row(segment->format, segment->weights, matrix.in, row, y);
  for (int64_t k = 0; k < matrix.in; ++k)
    y[k] = element_to_float(*dtype, segment->weights,
                            static_cast<size_t>(packed_index(*dtype, matrix.in, row, k)));
}

}  // namespace ember::cpu
