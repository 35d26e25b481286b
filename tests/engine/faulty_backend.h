// SPDX-License-Identifier: Apache-2.0
// A backend whose operations fail when they are told to.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/base/device_error.h"

namespace ember {

// Does what `inner` does, but throws DeviceError instead of its operation number `fail_at`, counted
// from 0 from the moment that arm() is called.
class FaultyBackend final : public Backend {
 public:
  // Sets `failed` when an operation has failed.
  FaultyBackend(std::unique_ptr<Backend> inner, std::atomic<bool>& failed)
      : inner_(std::move(inner)), failed_(failed) {}

  void arm(int fail_at) { left_ = fail_at; }

  std::string describe() const override { return inner_->describe(); }
  bool is_gpu() const override { return inner_->is_gpu(); }
  MemoryInfo memory() const override { return inner_->memory(); }
  DType activation_dtype() const override { return inner_->activation_dtype(); }
  RowInvariance row_invariance() const override { return inner_->row_invariance(); }
  int block_size() const override { return inner_->block_size(); }
  int max_in_flight() const override { return inner_->max_in_flight(); }
  size_t tensor_bytes(DType dtype, std::initializer_list<int64_t> shape) const override {
    return inner_->tensor_bytes(dtype, shape);
  }
  size_t linear_bytes(std::span<const WeightShape> weights, bool bias) const override {
    return inner_->linear_bytes(weights, bias);
  }
  size_t kv_block_bytes(const KvCacheSpec& s) const override { return inner_->kv_block_bytes(s); }
  size_t step_bytes(const StepLimits& limits) const override { return inner_->step_bytes(limits); }
  void reserve(size_t bytes) override { inner_->reserve(bytes); }
  void prepare(const StepLimits& limits) override { inner_->prepare(limits); }
  void seal() override { inner_->seal(); }
  Tensor allocate(DType dtype, std::initializer_list<int64_t> shape) override {
    return inner_->allocate(dtype, shape);
  }
  Tensor upload(const Tensor& host) override { return inner_->upload(host); }
  bool takes(WeightFormat format) const override { return inner_->takes(format); }
  Linear make_linear(std::span<const WeightView> weights, std::span<const Tensor> biases,
                     const Partition& partition, bool gated) override {
    return inner_->make_linear(weights, biases, partition, gated);
  }
  AttentionOp make_attention(const AttentionSpec& s) override { return inner_->make_attention(s); }
  std::vector<KvLayer> make_kv_cache(const KvCacheSpec& s) override {
    return inner_->make_kv_cache(s);
  }
  std::span<const BatchShape> repeatable_shapes() const override {
    return inner_->repeatable_shapes();
  }
  std::span<const int> first_uses() const override { return inner_->first_uses(); }
  void run(const BatchView& batch, const std::function<void()>& body) override {
    inner_->run(batch, body);
  }

  void write(Tensor to, const void* from, size_t bytes) override {
    count();
    inner_->write(to, from, bytes);
  }
  void write_columns(Tensor to, const void* from, int64_t columns) override {
    count();
    inner_->write_columns(to, from, columns);
  }
  void embed(Tensor y, const Linear& table, Tensor ids) override {
    count();
    inner_->embed(y, table, ids);
  }
  void rms_norm(Tensor y, Tensor x, Tensor w, float eps) override {
    count();
    inner_->rms_norm(y, x, w, eps);
  }
  void add_rms_norm(Tensor y, Tensor residual, Tensor x, Tensor w, float eps) override {
    count();
    inner_->add_rms_norm(y, residual, x, w, eps);
  }
  void linear(Tensor y, Tensor x, const Linear& w) override {
    count();
    inner_->linear(y, x, w);
  }
  void linear_add_norm(Tensor x, Tensor residual, Tensor input, const Linear& w, Tensor norm,
                       float eps) override {
    count();
    inner_->linear_add_norm(x, residual, input, w, norm, eps);
  }
  void linear_gated(Tensor y, Tensor x, const Linear& w, Tensor scratch, Gate gate) override {
    count();
    inner_->linear_gated(y, x, w, scratch, gate);
  }
  void rope_and_store(Tensor qkv, const QkNorm& norm, Tensor cos_sin, KvLayer kv,
                      const BatchView& b, const AttentionOp& op) override {
    count();
    inner_->rope_and_store(qkv, norm, cos_sin, kv, b, op);
  }
  void attention(Tensor y, Tensor qkv, KvLayer kv, const BatchView& b,
                 const AttentionOp& op) override {
    count();
    inner_->attention(y, qkv, kv, b, op);
  }
  void softcap(Tensor x, float cap) override {
    count();
    inner_->softcap(x, cap);
  }
  void gather_columns(Tensor whole, Tensor part) override {
    count();
    inner_->gather_columns(whole, part);
  }
  void gather_rows(Tensor y, Tensor x, Tensor rows) override {
    count();
    inner_->gather_rows(y, x, rows);
  }
  void sample(Tensor logits, std::span<const SamplingRow> rows,
              std::span<SampledToken> out) override {
    count();
    inner_->sample(logits, rows, out);
  }
  void wait() override {
    count();
    inner_->wait();
  }

 private:
  static constexpr int kNever = -1;

  void count() {
    if (left_ == kNever || left_-- > 0) return;
    failed_ = true;
    throw DeviceError("operation", 1, "the device is lost");
  }

  const std::unique_ptr<Backend> inner_;
  std::atomic<bool>& failed_;
  int left_ = kNever;  // operations before the one that fails
};

}  // namespace ember
