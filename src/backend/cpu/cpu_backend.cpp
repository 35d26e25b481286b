// SPDX-License-Identifier: Apache-2.0
#include "ember/backend/cpu/cpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "cpu/exchange.h"
#include "cpu/isa.h"
#include "cpu/kernels.h"
#include "cpu/memory.h"
#include "cpu/packed_linear.h"
#include "cpu/products.h"
#include "cpu/quantized_kernels.h"
#include "cpu/quantized_linear.h"
#include "cpu/rope.h"
#include "cpu/sample.h"
#include "cpu/thread_pool.h"
#include "ember/base/check.h"
#include "ember/base/cpus.h"
#include "ember/base/integers.h"

namespace ember {

namespace cpu {

namespace {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(const CpuOptions& options)
      : isa_(choose_isa(options.isa)),
        kernels_(kernels_of(isa_)),
        quantized_(quantized_kernels_of(isa_, options.activations == CpuActivations::kInt8
                                                  ? Integers::k8Bits
                                                  : Integers::k16Bits)),
        activations_(options.activations),
        max_in_flight_(options.max_in_flight),
        rank_(options.rank),
        exchange_(options.exchange),
        pool_(options.num_threads > 0 ? options.num_threads : usable_cpus()),
        scratch_(pool_.num_threads()),
        products_(kernels_, quantized_, pool_, scratch_, exchange_.get(), rank_) {
    sample_scratch_.resize(static_cast<size_t>(pool_.num_threads()));
    if (exchange_ && rank_ == 0) exchange_->set_tokens(&previous_);
  }

  std::string describe() const override {
    return fmt::format("CPU, {}, {} threads", name_of(isa_), pool_.num_threads());
  }
  bool is_gpu() const override { return false; }
  MemoryInfo memory() const override { return host_memory(); }
  DType activation_dtype() const override { return DType::kF32; }
  RowInvariance row_invariance() const override { return {}; }
  int block_size() const override { return 0; }
  int max_in_flight() const override { return max_in_flight_; }

  size_t tensor_bytes(DType dtype, std::initializer_list<int64_t> shape) const override {
    return Tensor(nullptr, dtype, shape).bytes();
  }
  size_t linear_bytes(std::span<const WeightShape> weights, bool bias) const override {
    return PackedLinear::bytes(weights, bias);
  }
  size_t kv_block_bytes(const KvCacheSpec& spec) const override {
    return 2 * sizeof(float) * static_cast<size_t>(spec.num_layers) *
           static_cast<size_t>(spec.block_size) * static_cast<size_t>(spec.num_kv_heads) *
           static_cast<size_t>(spec.head_dim);
  }
  // Taken bit by bit, with the weights and at first use; this is the most that it comes to.
  size_t step_bytes(const StepLimits& limits) const override {
    int64_t scratch = kernels_.linear_scratch;
    for (const AttentionSpec& spec : limits.attention)
      scratch = std::max(scratch, attention_scratch(spec.head_dim));
    const size_t of_thread =
        static_cast<size_t>(scratch) * sizeof(float) + SampleScratch::bytes(limits.vocab_size);
    return static_cast<size_t>(pool_.num_threads()) * of_thread +
           products_.step_bytes(limits, activations_ != CpuActivations::kFloat);
  }
  bool takes(WeightFormat format) const override {
    return dtype_of(format) || (activations_ != CpuActivations::kFloat && has_panels(format));
  }
  void reserve(size_t bytes) override { arena_.reserve(bytes); }
  void prepare(const StepLimits& limits) override { products_.prepare(limits); }
  void seal() override {}

  Tensor allocate(DType dtype, std::initializer_list<int64_t> shape) override {
    Tensor tensor(nullptr, dtype, shape);
    tensor.data = arena_.allocate(tensor.bytes());
    return tensor;
  }

  void write(Tensor to, const void* from, size_t bytes) override {
    CHECK(bytes <= to.bytes());
    if (bytes > 0) std::memcpy(to.data, from, bytes);
  }
  void write_columns(Tensor to, const void* from, int64_t columns) override {
    const size_t size = size_of(to.dtype), stride = static_cast<size_t>(to.row_stride) * size;
    for (size_t row = 0; row < static_cast<size_t>(to.shape[0]); ++row)
      std::memcpy(to.as<std::byte>() + row * stride,
                  static_cast<const std::byte*>(from) + row * stride,
                  static_cast<size_t>(columns) * size);
  }

  Tensor upload(const Tensor& host) override {
    Tensor tensor = host;
    tensor.dtype = DType::kF32;
    tensor.data = arena_.allocate(tensor.bytes());
    for (size_t i = 0; i < static_cast<size_t>(host.elements()); ++i)
      tensor.as<float>()[i] = element_to_float(host.dtype, host.data, i);
    return tensor;
  }

  Linear make_linear(std::span<const WeightView> weights, std::span<const Tensor> biases,
                     const Partition& partition, bool) override {
    PackedLinear& matrix = matrices_.emplace_back(pack(weights, biases, arena_, pool_));
    matrix.partition = partition;
    if (exchange_ && partition.split == Split::kVocab)
      matrix.table = exchange_->add_table(rank_, &matrix);
    products_.prepare(matrix);
    return {.in_features = matrix.in, .out_features = matrix.out, .impl = &matrix};
  }

  AttentionOp make_attention(const AttentionSpec& spec) override {
    scratch_.grow(attention_scratch(spec.head_dim));
    return {.spec = spec};
  }

  std::vector<KvLayer> make_kv_cache(const KvCacheSpec& spec) override {
    std::vector<KvLayer> layers;
    for (int i = 0; i < spec.num_layers; ++i) {
      const Cache& made = caches_.emplace_back(Cache{
          .k = allocate(DType::kF32,
                        {spec.num_blocks, spec.num_kv_heads, spec.head_dim, spec.block_size}),
          .v = allocate(DType::kF32,
                        {spec.num_blocks, spec.num_kv_heads, spec.block_size, spec.head_dim})});
      layers.push_back({.impl = &made});
    }
    return layers;
  }

  void embed(Tensor y, const Linear& table, Tensor ids) override {
    const auto& matrix = *static_cast<const PackedLinear*>(table.impl);
    for_rows(pool_, ids.shape[0], [&](int64_t t) {
      const int32_t id = ids.as<int32_t>()[t],
                    token = id >= 0 ? id : previous().at(static_cast<size_t>(-1 - id));
      if (token < 0)
        std::fill_n(row(y, t), y.shape[1], 0.0f);
      else if (exchange_)
        exchange_->table_row(matrix.table, token, row(y, t));
      else
        unpack_row(matrix, token, row(y, t));
      for (int64_t i = 0; table.scale != 1 && i < y.shape[1]; ++i) row(y, t)[i] *= table.scale;
    });
  }

  void rms_norm(Tensor y, Tensor x, Tensor w, float eps) override {
    for_rows(pool_, x.shape[0], [&](int64_t t) {
      if (w)
        kernels_.rms_norm(row(y, t), row(x, t), w.as<float>(), eps, x.shape[1]);
      else
        std::copy_n(row(x, t), x.shape[1], row(y, t));
    });
  }

  void add_rms_norm(Tensor y, Tensor residual, Tensor x, Tensor w, float eps) override {
    for_rows(pool_, x.shape[0], [&](int64_t t) {
      float* const sum = row(residual, t);
      if (w) {
        kernels_.add_rms_norm(row(y, t), sum, row(x, t), w.as<float>(), eps, x.shape[1]);
      } else {
        for (int64_t i = 0; i < x.shape[1]; ++i) row(y, t)[i] = sum[i] += row(x, t)[i];
      }
    });
  }

  void linear(Tensor y, Tensor x, const Linear& w) override { products_.multiply(y, x, w, false); }
  void linear_add_norm(Tensor x, Tensor residual, Tensor input, const Linear& w, Tensor norm,
                       float eps) override {
    products_.multiply(residual, input, w, true);
    rms_norm(x, residual, norm, eps);
  }
  void linear_gated(Tensor y, Tensor x, const Linear& w, Tensor scratch, Gate gate) override {
    linear(scratch, x, w);
    const auto gate_mul = gate == Gate::kSilu ? kernels_.silu_mul : kernels_.gelu_mul;
    for_rows(pool_, y.shape[0], [&](int64_t t) {
      gate_mul(row(y, t), row(scratch, t), row(scratch, t) + y.shape[1], y.shape[1]);
    });
  }
  void gather_columns(Tensor whole, Tensor part) override {
    const std::span<const Tensor> parts = exchange_->share(rank_, part);
    const int64_t n = part.shape[1], distinct = whole.shape[1] / n,
                  same = exchange_->num_ranks() / distinct;
    for_rows(pool_, whole.shape[0], [&](int64_t t) {
      for (int64_t i = 0; i < distinct; ++i)
        std::copy_n(row(parts[static_cast<size_t>(i * same)], t), n, row(whole, t) + i * n);
    });
    exchange_->meet();  // until then nobody may change his part
  }
  void softcap(Tensor x, float cap) override {
    for_rows(pool_, x.shape[0], [&](int64_t t) { kernels_.softcap(row(x, t), cap, x.shape[1]); });
  }

  void rope_and_store(Tensor qkv, const QkNorm& norm, Tensor cos_sin, KvLayer kv,
                      const BatchView& b, const AttentionOp& op) override {
    const AttentionSpec& spec = op.spec;
    const auto& [k, v] = *static_cast<const Cache*>(kv.impl);
    const int block_size = static_cast<int>(k.shape[3]);
    for_rows(pool_, b.num_tokens, [&](int64_t t) {
      for (int h = 0; norm.q_weight && h < spec.num_heads + spec.num_kv_heads; ++h) {
        float* head = row(qkv, t) + int64_t{h} * spec.head_dim;
        kernels_.rms_norm(head, head,
                          (h < spec.num_heads ? norm.q_weight : norm.k_weight).as<float>(),
                          norm.eps, spec.head_dim);
      }
      rope_and_store_token(row(qkv, t), row(cos_sin, b.positions.as<int32_t>()[t]), k.as<float>(),
                           v.as<float>(), b.slots.as<int32_t>()[t], block_size, spec);
    });
  }

  void attention(Tensor y, Tensor qkv, KvLayer kv, const BatchView& b,
                 const AttentionOp& op) override {
    plan_attention(b, op.spec);
    pool_.run(static_cast<int>(attention_tasks_.size()), [&](int task, int thread) {
      attend(attention_tasks_[static_cast<size_t>(task)], y, qkv,
             *static_cast<const Cache*>(kv.impl), b, op.spec, scratch_.of(thread));
    });
  }

  void gather_rows(Tensor y, Tensor x, Tensor rows) override {
    for (int64_t i = 0; i < rows.shape[0]; ++i)
      std::memcpy(row(y, i), row(x, rows.as<int32_t>()[i]),
                  static_cast<size_t>(x.shape[1]) * sizeof(float));
  }

  void sample(Tensor logits, std::span<const SamplingRow> rows,
              std::span<SampledToken> out) override {
    CHECK(rows.size() == out.size());
    sampling_previous_.swap(previous_);
    previous_.resize(rows.size());
    pool_.run(static_cast<int>(rows.size()), [&](int i, int thread) {
      const auto at = static_cast<size_t>(i);
      const int32_t pending =
          rows[at].pending >= 0 ? sampling_previous_.at(static_cast<size_t>(rows[at].pending)) : -1;
      out[at] = sample_row({row(logits, i), static_cast<size_t>(logits.shape[1])}, rows[at],
                           pending, sample_scratch_[static_cast<size_t>(thread)]);
      previous_[at] = out[at].token;
    });
  }

  void run(const BatchView&, const std::function<void()>& body) override { body(); }
  std::span<const BatchShape> repeatable_shapes() const override { return {}; }
  std::span<const int> first_uses() const override { return {}; }
  void wait() override {}

 private:
  // K is [blocks, heads, head_dim, block_size], V is [blocks, heads, block_size, head_dim].
  struct Cache {
    Tensor k, v;
  };

  // Some tokens of a sequence, for one key-value head.
  struct AttentionTask {
    int sequence, first_token, num_tokens, kv_head;
  };

  const std::vector<int32_t>& previous() const {
    return exchange_ ? exchange_->tokens() : previous_;
  }

  static float* row(const Tensor& tensor, int64_t i) {
    return tensor.as<float>() + i * tensor.row_stride;
  }

  void plan_attention(const BatchView& b, const AttentionSpec& spec) {
    constexpr int kTaskTokens = 32;
    attention_tasks_.clear();
    for (int s = 0; s < b.num_seqs; ++s)
      for (int t = b.q_starts.as<int32_t>()[s]; t < b.q_starts.as<int32_t>()[s + 1];
           t += kTaskTokens)
        for (int h = 0; h < spec.num_kv_heads; ++h)
          attention_tasks_.push_back(
              {s, t, std::min(kTaskTokens, b.q_starts.as<int32_t>()[s + 1] - t), h});
  }

  void attend(const AttentionTask& task, Tensor y, Tensor qkv, const Cache& kv, const BatchView& b,
              const AttentionSpec& spec, float* scratch) const {
    const int64_t dim = spec.head_dim;
    const int group = spec.num_heads / spec.num_kv_heads,
              block_size = static_cast<int>(kv.k.shape[3]);
    const int64_t head_stride = dim * block_size;
    kernels_.attention(
        {.k = kv.k.as<float>() + task.kv_head * head_stride,
         .v = kv.v.as<float>() + task.kv_head * head_stride,
         .k_block_stride = kv.k.row_stride,
         .v_block_stride = kv.v.row_stride,
         .block_table = b.block_tables.as<int32_t>() + task.sequence * b.block_tables.row_stride,
         .block_size = block_size,
         .q = row(qkv, task.first_token) + task.kv_head * group * dim,
         .q_stride = qkv.row_stride,
         .y = row(y, task.first_token) + task.kv_head * group * dim,
         .y_stride = y.row_stride,
         .num_tokens = task.num_tokens,
         .num_heads = group,
         .head_dim = spec.head_dim,
         .first_position = b.positions.as<int32_t>()[task.first_token],
         .window = spec.window,
         .scale = spec.scale,
         .softcap = spec.softcap,
         .scratch = scratch});
  }

  const Isa isa_;
  const Kernels& kernels_;
  const QuantizedKernels& quantized_;
  const CpuActivations activations_;
  const int max_in_flight_, rank_;
  const std::shared_ptr<Exchange> exchange_;  // null: there are no other ranks
  ThreadPool pool_;
  ThreadScratch scratch_;
  Products products_;
  Arena arena_;
  std::deque<PackedLinear> matrices_;
  std::deque<Cache> caches_;
  std::vector<SampleScratch> sample_scratch_;
  std::vector<AttentionTask> attention_tasks_;
  std::vector<int32_t> previous_,
      sampling_previous_;  // tokens of the last sample(), and while it runs of the one before
};

}  // namespace

}  // namespace cpu

std::shared_ptr<cpu::Exchange> make_cpu_exchange(std::shared_ptr<Rendezvous> meeting) {
  return std::make_shared<cpu::Exchange>(std::move(meeting));
}

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options) {
  return std::make_unique<cpu::CpuBackend>(options);
}

}  // namespace ember
