// SPDX-License-Identifier: Apache-2.0
#include "cpu/products.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

#include "cpu/quantized_linear.h"
#include "ember/base/check.h"
#include "ember/base/integers.h"

namespace ember::cpu {

namespace {

constexpr int kAnyNumber = std::numeric_limits<int>::max();

const PackedLinear& matrix_of(const Linear& w) { return *static_cast<const PackedLinear*>(w.impl); }

float* row(const Tensor& tensor, int64_t i) { return tensor.as<float>() + i * tensor.row_stride; }

bool quantized(const PackedLinear& matrix) {
  return std::ranges::any_of(matrix.segments,
                             [](const Segment& s) { return has_panels(s.format); });
}

// As the kernels finish a sum: the same operations in the same order. parts: of each rank, outputs
// of the whole matrix.
void finish_segment(const Segment& segment, std::span<const float* const> parts, float scale,
                    bool add, float* y) {
  constexpr int64_t kAtOnce = 256;
  float sums[kAtOnce];
  const float* from[kMaxLeaves];
  for (int64_t begin = 0; begin < segment.outputs; begin += kAtOnce) {
    const int64_t n = std::min(kAtOnce, segment.outputs - begin);
    float* out = y + segment.first_output + begin;
    for (size_t r = 0; r < parts.size(); ++r) from[r] = parts[r] + segment.first_output + begin;
    add_parts({from, parts.size()}, n, sums);
    for (int64_t i = 0; segment.bias != nullptr && i < n; ++i) sums[i] += segment.bias[begin + i];
    for (int64_t i = 0; i < n; ++i) sums[i] *= scale;
    for (int64_t i = 0; i < n; ++i) out[i] = add ? out[i] + sums[i] : sums[i];
  }
}

}  // namespace

Products::Products(const Kernels& kernels, const QuantizedKernels& quantized, ThreadPool& pool,
                   ThreadScratch& scratch, Exchange* exchange, int rank)
    : kernels_(kernels),
      quantized_(quantized),
      pool_(pool),
      scratch_(scratch),
      exchange_(exchange),
      rank_(rank) {
  scratch_.grow(kernels_.linear_scratch);
}

void Products::prepare(const PackedLinear& matrix) {
  if (splits(matrix))
    parts_.grow(static_cast<size_t>(parts_size(kMaxSplitProduct, matrix.in)) * sizeof(uint16_t));
  if (quantized(matrix))
    prepared_.grow(
        static_cast<size_t>(PreparedRows::bytes(quantized_.integers, kMaxSplitProduct, matrix.in)));
}

void Products::prepare(const StepLimits& limits) {
  for (Mapping& sums : shared_sums_) sums.grow(sums_bytes(limits));
}

size_t Products::step_bytes(const StepLimits& limits, bool blocks) const {
  const int64_t parts =
      kernels_.split != nullptr ? parts_size(kMaxSplitProduct, limits.max_in_features) : 0;
  const int64_t prepared =
      blocks ? PreparedRows::bytes(quantized_.integers, kMaxSplitProduct, limits.max_in_features)
             : 0;
  return static_cast<size_t>(parts) * sizeof(uint16_t) + static_cast<size_t>(prepared) +
         shared_sums_.size() * sums_bytes(limits);
}

size_t Products::sums_bytes(const StepLimits& limits) const {
  return exchange_ == nullptr ? 0
                              : sizeof(float) * static_cast<size_t>(limits.max_tokens) *
                                    static_cast<size_t>(limits.summed_features);
}

void Products::multiply(Tensor y, Tensor x, const Linear& w, bool add) {
  const PackedLinear& matrix = matrix_of(w);
  if (exchange_ != nullptr && matrix.partition.split == Split::kInputs)
    multiply_and_sum(y, x, w, add);
  else if (exchange_ != nullptr && matrix.partition.split == Split::kVocab)
    multiply_for_first_rank(y, x, w);
  else
    multiply_part(y, x, matrix, {.scale = w.scale, .add = add, .bias = true});
}

void Products::multiply_and_sum(Tensor y, Tensor x, const Linear& w, bool add) {
  const PackedLinear& matrix = matrix_of(w);
  const Tensor mine(shared_sums_[num_sums_++ % shared_sums_.size()].data(), DType::kF32,
                    {x.shape[0], matrix.out});
  CHECK(mine.bytes() <= shared_sums_[0].bytes());
  multiply_part(mine, x, matrix, {});
  const std::span<const Tensor> all = exchange_->share(rank_, mine);
  for_rows(pool_, y.shape[0], [&](int64_t t) {
    const float* parts[kMaxLeaves];
    for (size_t r = 0; r < all.size(); ++r) parts[r] = row(all[r], t);
    for (const Segment& segment : matrix.segments)
      finish_segment(segment, {parts, all.size()}, w.scale, add, row(y, t));
  });
}

// Every rank writes its columns of the first rank's y.
void Products::multiply_for_first_rank(Tensor y, Tensor x, const Linear& w) {
  const PackedLinear& matrix = matrix_of(w);
  const Tensor whole = exchange_->share(rank_, y)[0];
  multiply_part(whole.columns(exchange_->first_row(matrix.table, rank_), matrix.out), x, matrix,
                {.scale = w.scale, .bias = true});
  exchange_->meet();
}

void Products::multiply_part(Tensor y, Tensor x, const PackedLinear& matrix, const Finish& finish) {
  const int64_t at_once = splits(matrix) || quantized(matrix) ? kMaxSplitProduct : x.shape[0];
  for (int64_t t = 0; t < x.shape[0]; t += at_once) {
    const int64_t rows = std::min(at_once, x.shape[0] - t);
    const int64_t tasks =
        plan_products(matrix, row(y, t), y.row_stride, row(x, t), x.row_stride, rows, finish);
    prepare_inputs(matrix, row(x, t), x.row_stride, rows);
    const auto product_of = [&](int task, int thread) {
      auto product = products_.end() - 1;
      while (product->first_task > task) --product;
      const int64_t own = task - product->first_task;
      if (const auto* blocks = std::get_if<QuantizedArgs>(&product->args))
        quantized_.multiply(*blocks, own);
      else
        kernels_.linear(std::get<LinearArgs>(product->args), own, scratch_.of(thread));
    };
    pool_.run(static_cast<int>(tasks), product_of, kAnyNumber);
  }
}

// What the products read beside the inputs themselves.
void Products::prepare_inputs(const PackedLinear& matrix, const float* x, int64_t x_stride,
                              int64_t rows) {
  if (quantized(matrix))
    pool_.run(static_cast<int>(ceil_div(rows, kSplitRows)), [&](int group, int) {
      const int64_t begin = int64_t{group} * kSplitRows;
      quantized_.prepare(prepared(rows, matrix.in), x, x_stride, matrix.in, begin,
                         std::min(rows, begin + kSplitRows));
    });
  if (splits(matrix))
    pool_.run(static_cast<int>(ceil_div(rows, kSplitRows)), [&](int group, int) {
      const LinearArgs args{
          .x = x, .x_stride = x_stride, .rows = rows, .in = matrix.in, .parts = parts()};
      kernels_.split(args, int64_t{group} * kSplitRows);
    });
}

// Fills products_ and returns the number of their tasks.
int64_t Products::plan_products(const PackedLinear& matrix, float* y, int64_t y_stride,
                                const float* x, int64_t x_stride, int64_t rows,
                                const Finish& finish) {
  products_.clear();
  int64_t tasks = 0;
  for (const Segment& segment : matrix.segments) {
    const std::optional<DType> dtype = dtype_of(segment.format);
    if (!dtype) {
      products_.push_back({QuantizedArgs{.format = segment.format,
                                         .panels = segment.weights,
                                         .bias = finish.bias ? segment.bias : nullptr,
                                         .x = prepared(rows, matrix.in),
                                         .y = y + segment.first_output,
                                         .y_stride = y_stride,
                                         .scale = finish.scale,
                                         .add = finish.add,
                                         .rows = rows,
                                         .in = matrix.in,
                                         .out = segment.outputs,
                                         .leaves = matrix.leaves()},
                           tasks});
      tasks += segment.blocks();
      continue;
    }
    const LinearArgs args{.weights = segment.weights,
                          .dtype = *dtype,
                          .bias = finish.bias ? segment.bias : nullptr,
                          .x = x,
                          .x_stride = x_stride,
                          .y = y + segment.first_output,
                          .y_stride = y_stride,
                          .scale = finish.scale,
                          .add = finish.add,
                          .rows = rows,
                          .in = matrix.in,
                          .out = segment.outputs,
                          .leaves = matrix.leaves(),
                          .parts = parts(),
                          .num_threads = pool_.num_threads()};
    products_.push_back({args, tasks});
    tasks += kernels_.linear_tasks(args);
  }
  return tasks;
}

bool Products::splits(const PackedLinear& matrix) const {
  return kernels_.split != nullptr && matrix.leaves().padded &&
         std::ranges::any_of(matrix.segments,
                             [](const Segment& s) { return s.format == WeightFormat::kBF16; });
}

}  // namespace ember::cpu
