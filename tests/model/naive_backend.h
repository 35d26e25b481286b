// SPDX-License-Identifier: Apache-2.0
// The operations of a Backend as their contracts say them: plain loops, sums in double, float32
// activations. Slow and obvious, it shares no code with any real backend, so that what both agree
// on is not one mistake made twice.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/base/check.h"

namespace ember {

// Element i of a contiguous tensor, which may lie at any address.
inline float naive_element(const Tensor& t, int64_t i) {
  const auto* bytes = t.as<unsigned char>() + static_cast<size_t>(i) * size_of(t.dtype);
  float value = 0;
  uint16_t half = 0;
  if (t.dtype == DType::kF32)
    std::memcpy(&value, bytes, sizeof value);
  else
    std::memcpy(&half, bytes, sizeof half);
  if (t.dtype == DType::kF16) return f16_to_float(half);
  return t.dtype == DType::kBF16 ? bf16_to_float(half) : value;
}

class NaiveBackend : public Backend {
 public:
  std::string describe() const override { return "naive"; }
  bool is_gpu() const override { return false; }
  MemoryInfo memory() const override { return {size_t{1} << 30, size_t{1} << 30}; }
  DType activation_dtype() const override { return DType::kF32; }
  RowInvariance row_invariance() const override { return {}; }
  int block_size() const override { return 0; }
  int max_in_flight() const override { return 1; }
  size_t tensor_bytes(DType dtype, std::initializer_list<int64_t> shape) const override {
    return Tensor(nullptr, dtype, shape).bytes();
  }
  size_t step_bytes(const StepLimits&) const override { return 0; }
  void reserve(size_t) override {}
  void prepare(const StepLimits&) override {}
  void seal() override {}

  Tensor allocate(DType dtype, std::initializer_list<int64_t> shape) override {
    Tensor t(nullptr, dtype, shape);
    memory_.push_back(std::make_unique<std::vector<double>>(t.bytes() / sizeof(double) + 1));
    t.data = memory_.back()->data();
    allocated_bytes += t.bytes();
    return t;
  }
  void write(Tensor to, const void* from, size_t bytes) override {
    CHECK(bytes <= to.bytes());
    std::memcpy(to.data, from, bytes);
  }
  void write_columns(Tensor to, const void* from, int64_t columns) override {
    const size_t size = size_of(to.dtype), stride = static_cast<size_t>(to.row_stride) * size;
    for (size_t row = 0; row < static_cast<size_t>(to.shape[0]); ++row)
      std::memcpy(to.as<std::byte>() + row * stride,
                  static_cast<const std::byte*>(from) + row * stride,
                  static_cast<size_t>(columns) * size);
  }
  Tensor upload(const Tensor& host) override {
    Tensor t = allocate(DType::kF32, {host.elements()});
    for (int64_t i = 0; i < host.elements(); ++i) t.as<float>()[i] = naive_element(host, i);
    return t;
  }

  Linear make_linear(std::span<const WeightView> weights, std::span<const Tensor> biases,
                     const Partition& partition, bool) override {
    auto matrix = std::make_unique<Matrix>();
    matrix->split = partition.split;
    for (size_t part = 0; part < weights.size(); ++part) {
      const WeightView& w = weights[part];
      CHECK(w.columns == weights[0].columns);
      for (int64_t r = 0; r < w.rows; ++r) {
        const Tensor row(const_cast<std::byte*>(w.row(r)), dtype_of(w.format).value(), {w.columns});
        for (int64_t i = 0; i < w.columns; ++i) matrix->weight.push_back(naive_element(row, i));
        matrix->bias.push_back(biases.empty() || !biases[part] ? 0
                                                               : naive_element(biases[part], r));
      }
      matrix->formats.push_back(w.format);
    }
    matrices.push_back(std::move(matrix));
    const Matrix& made = *matrices.back();
    return {weights[0].columns, static_cast<int64_t>(made.bias.size()), &made};
  }
  size_t linear_bytes(std::span<const WeightShape> weights, bool bias) const override {
    size_t bytes = 0;
    for (const WeightShape& w : weights)
      bytes += static_cast<size_t>(w.rows) *
               (row_bytes(w.format, w.columns) + (bias ? sizeof(float) : 0));
    return bytes;
  }
  AttentionOp make_attention(const AttentionSpec& spec) override { return {spec, nullptr}; }
  size_t kv_block_bytes(const KvCacheSpec& s) const override {
    return sizeof(float) * 2 * static_cast<size_t>(s.num_layers) *
           static_cast<size_t>(s.block_size) * static_cast<size_t>(s.num_kv_heads) *
           static_cast<size_t>(s.head_dim);
  }
  std::vector<KvLayer> make_kv_cache(const KvCacheSpec& s) override {
    std::vector<KvLayer> layers;
    const int64_t slots = int64_t{s.num_blocks} * s.block_size,
                  width = int64_t{s.num_kv_heads} * s.head_dim;
    for (int i = 0; i < s.num_layers; ++i)
      layers.push_back({&caches_.emplace_back(
          Cache{allocate(DType::kF32, {slots, width}), allocate(DType::kF32, {slots, width})})});
    return layers;
  }

  void embed(Tensor y, const Linear& table, Tensor ids) override {
    const auto& matrix = *static_cast<const Matrix*>(table.impl);
    for (int64_t t = 0; t < y.shape[0]; ++t)
      for (int64_t i = 0; i < y.shape[1]; ++i)
        at(y, t, i) =
            table.scale *
            matrix.weight.at(static_cast<size_t>(ids.as<int32_t>()[t] * table.in_features + i));
  }
  void rms_norm(Tensor y, Tensor x, Tensor w, float eps) override {
    for (int64_t t = 0; t < y.shape[0]; ++t) norm(&at(y, t, 0), &at(x, t, 0), w, x.shape[1], eps);
  }
  void add_rms_norm(Tensor y, Tensor residual, Tensor x, Tensor w, float eps) override {
    for (int64_t t = 0; t < y.shape[0]; ++t)
      for (int64_t i = 0; i < y.shape[1]; ++i) at(residual, t, i) += at(x, t, i);
    rms_norm(y, residual, w, eps);
  }
  void linear(Tensor y, Tensor x, const Linear& w) override {
    const auto& matrix = *static_cast<const Matrix*>(w.impl);
    CHECK(y.shape[0] == x.shape[0] && y.shape[1] == w.out_features && x.shape[1] == w.in_features);
    for (int64_t t = 0; t < y.shape[0]; ++t)
      for (int64_t o = 0; o < w.out_features; ++o) {
        double sum = matrix.bias[static_cast<size_t>(o)];
        const float* row = matrix.weight.data() + o * w.in_features;
        for (int64_t i = 0; i < w.in_features; ++i)
          sum += static_cast<double>(at(x, t, i)) * row[i];
        at(y, t, o) = static_cast<float>(sum * static_cast<double>(w.scale));
      }
  }
  void rope_and_store(Tensor qkv, const QkNorm& weights, Tensor cos_sin, KvLayer kv,
                      const BatchView& b, const AttentionOp& op) override {
    const AttentionSpec& s = op.spec;
    const int64_t kv_width = int64_t{s.num_kv_heads} * s.head_dim;
    const Cache& cache = *static_cast<const Cache*>(kv.impl);
    for (int64_t t = 0; t < b.num_tokens; ++t) {
      const int64_t position = b.positions.as<int32_t>()[t], slot = b.slots.as<int32_t>()[t];
      CHECK((s.rotary_dim == 0 || position < cos_sin.shape[0]) && slot < cache.k.shape[0]);
      for (int h = 0; h < s.num_heads + s.num_kv_heads; ++h) {
        float* head = &at(qkv, t, int64_t{h} * s.head_dim);
        if (weights.q_weight)
          norm(head, head, h < s.num_heads ? weights.q_weight : weights.k_weight, s.head_dim,
               weights.eps);
        if (s.rotary_dim > 0) rotate(head, &at(cos_sin, position, 0), s);
      }
      const float* k = &at(qkv, t, int64_t{s.num_heads} * s.head_dim);
      std::copy(k, k + kv_width, &at(cache.k, slot, 0));
      std::copy(k + kv_width, k + 2 * kv_width, &at(cache.v, slot, 0));
    }
  }
  void attention(Tensor y, Tensor qkv, KvLayer kv, const BatchView& b,
                 const AttentionOp& op) override {
    const int64_t block_size = kv_block_size;
    for (int s = 0; s < b.num_seqs; ++s) {
      const int32_t begin = b.q_starts.as<int32_t>()[s], end = b.q_starts.as<int32_t>()[s + 1];
      const auto slot = [&](int64_t p) {
        return int64_t{
                   b.block_tables.as<int32_t>()[s * b.block_tables.row_stride + p / block_size]} *
                   block_size +
               p % block_size;
      };
      for (int32_t t = begin; t < end; ++t) {
        const int64_t position = b.kv_lens.as<int32_t>()[s] - (end - t);
        for (int h = 0; h < op.spec.num_heads; ++h)
          attend(&at(y, t, int64_t{h} * op.spec.head_dim),
                 &at(qkv, t, int64_t{h} * op.spec.head_dim), *static_cast<const Cache*>(kv.impl), h,
                 position, slot, op.spec);
      }
    }
  }
  void linear_add_norm(Tensor x, Tensor residual, Tensor input, const Linear& w, Tensor weight,
                       float eps) override {
    std::vector<float> sums(static_cast<size_t>(residual.elements()));
    const Tensor y(sums.data(), DType::kF32, {residual.shape[0], residual.shape[1]});
    linear(y, input, w);
    for (int64_t t = 0; t < y.shape[0]; ++t)
      for (int64_t i = 0; i < y.shape[1]; ++i) at(residual, t, i) += at(y, t, i);
    rms_norm(x, residual, weight, eps);
  }
  void linear_gated(Tensor y, Tensor x, const Linear& w, Tensor gate_up, Gate gate) override {
    linear(gate_up, x, w);
    for (int64_t t = 0; t < y.shape[0]; ++t)
      for (int64_t i = 0; i < y.shape[1]; ++i)
        at(y, t, i) =
            static_cast<float>(opened(gate, at(gate_up, t, i)) * at(gate_up, t, y.shape[1] + i));
  }
  void gather_columns(Tensor, Tensor) override { CHECK(false, "this device is the only rank"); }
  void softcap(Tensor x, float cap) override {
    for (int64_t t = 0; t < x.shape[0]; ++t)
      for (int64_t i = 0; i < x.shape[1]; ++i)
        at(x, t, i) = static_cast<float>(capped(at(x, t, i), cap));
  }
  void gather_rows(Tensor y, Tensor x, Tensor rows) override {
    for (int64_t r = 0; r < y.shape[0]; ++r)
      for (int64_t i = 0; i < y.shape[1]; ++i) at(y, r, i) = at(x, rows.as<int32_t>()[r], i);
  }
  void sample(Tensor, std::span<const SamplingRow>, std::span<SampledToken>) override {
    CHECK(false, "the model layer does not sample");
  }
  void run(const BatchView&, const std::function<void()>& body) override { body(); }
  std::span<const BatchShape> repeatable_shapes() const override { return {}; }
  std::span<const int> first_uses() const override { return {}; }
  void wait() override {}

  struct Matrix {
    std::vector<float> weight, bias;
    std::vector<WeightFormat> formats;  // of the parts
    Split split = Split::kNone;
  };
  std::vector<std::unique_ptr<Matrix>> matrices;  // in the order made
  int64_t kv_block_size = 16;                     // the cache's, which attention is not told
  size_t allocated_bytes = 0;

 private:
  struct Cache {
    Tensor k, v;  // [slots, kv heads * head_dim]
  };

  static float& at(const Tensor& t, int64_t row, int64_t column) {
    return t.as<float>()[row * t.row_stride + column];
  }

  static double opened(Gate gate, double g) {
    if (gate == Gate::kSilu) return g / (1 + std::exp(-g));
    return g / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (g + 0.044715 * g * g * g)));
  }
  static double capped(double x, double cap) { return cap == 0 ? x : cap * std::tanh(x / cap); }

  static void norm(float* y, const float* x, const Tensor& w, int64_t n, float eps) {
    if (!w) {
      std::copy(x, x + n, y);
      return;
    }
    double squares = 0;
    for (int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
    const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + eps);
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i] * scale * w.as<float>()[i]);
  }
  static void rotate(float* head, const float* cos_sin, const AttentionSpec& s) {
    const int half = s.rotary_dim / 2;
    for (int i = 0; i < half; ++i) {
      float& a = head[s.interleaved ? 2 * i : i];
      float& b = head[s.interleaved ? 2 * i + 1 : i + half];
      const double c = cos_sin[i], d = cos_sin[half + i], old_a = a, old_b = b;
      a = static_cast<float>(old_a * c - old_b * d);
      b = static_cast<float>(old_b * c + old_a * d);
    }
  }
  template <class Slot>
  static void attend(float* y, const float* q, const Cache& kv, int head, int64_t position,
                     const Slot& slot, const AttentionSpec& s) {
    const int64_t offset = int64_t{head / (s.num_heads / s.num_kv_heads)} * s.head_dim;
    const int64_t first = s.window == 0 ? 0 : std::max<int64_t>(0, position - s.window + 1);
    std::vector<double> scores, out(static_cast<size_t>(s.head_dim));
    for (int64_t p = first; p <= position; ++p) {
      double score = 0;
      for (int i = 0; i < s.head_dim; ++i)
        score += static_cast<double>(q[i]) * at(kv.k, slot(p), offset + i);
      scores.push_back(capped(score * s.scale, s.softcap));
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    double total = 0;
    for (double& score : scores) total += score = std::exp(score - largest);
    for (int64_t p = first; p <= position; ++p)
      for (int i = 0; i < s.head_dim; ++i)
        out[static_cast<size_t>(i)] +=
            scores[static_cast<size_t>(p - first)] * at(kv.v, slot(p), offset + i);
    for (int i = 0; i < s.head_dim; ++i)
      y[i] = static_cast<float>(out[static_cast<size_t>(i)] / total);
  }

  std::vector<std::unique_ptr<std::vector<double>>> memory_;
  std::deque<Cache> caches_;
};

}  // namespace ember
