// SPDX-License-Identifier: Apache-2.0
#include "ember/backend/cuda/cuda_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <set>

#include "cuda/cublas_lt.h"
#include "cuda/device.h"
#include "cuda/error.h"
#include "cuda/graphs.h"
#include "cuda/matrix.h"
#include "cuda/memory.h"
#include "cuda/sampler.h"
#include "cuda/step_staging.h"
#include "cuda/weight_upload.h"
#include "ember/base/check.h"
#include "ember/base/device_error.h"
#include "ember/base/integers.h"
#include "ember/base/log.h"
#include "ember/base/start_error.h"
#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/ops.h"

namespace ember {

namespace cuda {

namespace {

constexpr int kMaxInFlight = 2;
// Left by the plan for what the driver takes for graphs and kernels, which nobody knows before.
constexpr size_t kHeadroomBytes = size_t{512} << 20;

// Columns are padded so that rows begin at multiples of 16 bytes.
int64_t stride_of(DType dtype, int64_t columns) {
  return size_of(dtype) == 2 ? round_up(columns, 8) : columns;
}

Tensor strided(DType dtype, std::initializer_list<int64_t> shape) {
  Tensor tensor(nullptr, dtype, shape);
  if (tensor.ndim == 2) tensor.row_stride = stride_of(dtype, tensor.shape[1]);
  return tensor;
}

size_t bytes_of(const Tensor& tensor) {
  return static_cast<size_t>(tensor.shape[0] * tensor.row_stride) * size_of(tensor.dtype);
}

kernels::Rows rows_of(const Tensor& t) {
  return {.data = t.data,
          .stride = t.row_stride,
          .rows = static_cast<int>(t.shape[0]),
          .columns = static_cast<int>(t.shape[1])};
}

// Steps of decodes are padded to one of these: close together where a step is short. Longer ones
// are launched kernel by kernel: that costs little of their time, and graphs cost memory.
constexpr int kMaxGraphSeqs = 512;

std::vector<BatchShape> shapes_up_to(int max_seqs) {
  max_seqs = std::min(max_seqs, kMaxGraphSeqs);
  std::vector<BatchShape> shapes;
  for (int n = 1; n < max_seqs; n += n < 2     ? 1
                                     : n < 4   ? 2
                                     : n < 8   ? 4
                                     : n < 64  ? 8
                                     : n < 256 ? 16
                                               : 64)
    shapes.push_back({.num_seqs = n, .q_len = 1});
  shapes.push_back({.num_seqs = max_seqs, .q_len = 1});
  return shapes;
}

// What is refused for the model's sake names the model's fault, not the device's.
template <class Body>
auto planned(const Body& body) {
  try {
    return body();
  } catch (const StartError&) {
    throw;
  } catch (const DeviceError&) {
    throw;
  } catch (const std::runtime_error& e) {
    throw StartError(ExitCode::kNoDevice,
                     fmt::format("the CUDA backend cannot run this model: {}", e.what()));
  }
}

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const CudaOptions& options)
      : options_(options), device_(open_device(options.device)), arena_(options.guard_bytes) {
    CHECK(options.dtype == DType::kF16 || options.dtype == DType::kBF16);
    queue_ = {.handle = stream_.get(),
              .sm = device_.sm,
              .num_sms = device_.num_sms,
              .shared_per_sm = device_.shared_per_sm,
              .pdl = options.overlap_launches && device_.sm == 90,
              .attributes = &attributes_};
    kernels::launch_check = options.synchronous ? &after_synchronous_launch : &after_launch;
    std::string why;
    if (options.cublas) cublas_ = CublasLt::open(why);
    if (options.cublas && !cublas_)
      spdlog::warn("{}: Ember's own kernels multiply long prompts too, which is slower", why);
  }

  ~CudaBackend() override { cudaStreamSynchronize(stream_.get()); }

  std::string describe() const override {
    return fmt::format("{} at {}, compute capability {}.{}, {} SMs, CUDA {}, {}{}", device_.name,
                       device_.bus_id, device_.sm / 10, device_.sm % 10, device_.num_sms,
                       device_.version, name_of(options_.dtype), cublas_ ? ", cuBLASLt" : "");
  }
  bool is_gpu() const override { return true; }
  MemoryInfo memory() const override {
    MemoryInfo info = device_memory();
    info.dedicated = !device_.integrated;
    info.free_bytes -= std::min(info.free_bytes, kHeadroomBytes);
    return info;
  }
  DType activation_dtype() const override { return options_.dtype; }
  RowInvariance row_invariance() const override {
    return cublas_ ? RowInvariance{options_.max_own_gemm_tokens} : RowInvariance{};
  }
  int block_size() const override { return kCudaBlockSize; }
  int max_in_flight() const override { return kMaxInFlight; }

  size_t tensor_bytes(DType dtype, std::initializer_list<int64_t> shape) const override {
    return arena_.rounded(bytes_of(strided(dtype, shape)));
  }
  size_t linear_bytes(std::span<const WeightShape> weights, bool bias) const override {
    int64_t out = 0;
    for (const WeightShape& weight : weights) out += weight.rows;
    return matrix_bytes(arena_, out, weights.front().columns, bias);
  }
  size_t kv_block_bytes(const KvCacheSpec& spec) const override {
    return static_cast<size_t>(spec.num_layers) * layer_block_bytes(spec);
  }
  size_t step_bytes(const StepLimits& limits) const override {
    size_t bytes = Sampler::device_bytes(arena_, queue_, sampler_limits(limits));
    for (const AttentionSpec& spec : limits.attention)
      bytes += planned([&] {
        return arena_.rounded(
            kernels::attention_workspace_bytes(queue_, attention_shape(spec, limits)));
      });
    return bytes + (cublas_ ? arena_.rounded(CublasLt::kWorkspaceBytes) : 0);
  }

  void reserve(size_t bytes) override {
    arena_.reserve(bytes);
    free_after_reserve_ = device_memory().free_bytes;
  }

  void prepare(const StepLimits& limits) override {
    upload_.release();
    for (AttentionState& state : attention_) {
      state.shape = attention_shape(state.spec, limits);
      planned([&] {
        kernels::check_attention(queue_, state.shape);
        return 0;
      });
      state.workspace = arena_.take(kernels::attention_workspace_bytes(queue_, state.shape));
    }
    sampler_.emplace(arena_, queue_, stream_, sampler_limits(limits));
    if (cublas_) choose_algorithms(limits.max_tokens);
    max_model_len_ = limits.max_model_len;
    staging_.emplace(limits.written_bytes);
    if (options_.graphs)
      shapes_ = shapes_up_to(std::min({limits.max_tokens, limits.max_seqs, limits.max_logit_rows}));
    std::set<int> tokens(std::begin(kernels::kGemmTokens), std::end(kernels::kGemmTokens));
    if (cublas_)
      for (const int64_t n : cublas_->first_uses()) tokens.insert(static_cast<int>(n));
    tokens.insert(limits.max_tokens);
    first_uses_.assign(tokens.begin(), tokens.upper_bound(limits.max_tokens));
  }

  void seal() override {
    check_free_memory(free_after_reserve_, device_memory().free_bytes);
    arena_.seal();
    graphs_.seal();
    sealed_ = true;
  }

  Tensor allocate(DType dtype, std::initializer_list<int64_t> shape) override {
    Tensor tensor = strided(dtype, shape);
    tensor.data = arena_.take(bytes_of(tensor));
    return tensor;
  }

  void write(Tensor to, const void* from, size_t bytes) override {
    CHECK(bytes <= to.bytes() && (to.ndim == 1 || to.row_stride == to.elements() / to.shape[0]));
    if (staging_ && staging_->write(to.data, from, bytes, stream_)) return;
    CHECK(!sealed_, "a write of {} bytes has no room in the staging of a step", bytes);
    stream_.wait();
    upload_.bytes(to.data, from, bytes);
    upload_.wait();
  }

  void write_columns(Tensor to, const void* from, int64_t columns) override {
    const size_t size = size_of(to.dtype);
    CHECK(to.ndim == 2 && columns <= to.shape[1]);
    CHECK(staging_ && staging_->write_rows(to.data, from, static_cast<size_t>(to.row_stride) * size,
                                           static_cast<size_t>(columns) * size,
                                           static_cast<size_t>(to.shape[0]), stream_),
          "{} rows have no room in the staging of a step", to.shape[0]);
  }

  Tensor upload(const Tensor& host) override {
    std::vector<float> values(static_cast<size_t>(host.elements()));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = element_to_float(host.dtype, host.data, i);
    Tensor tensor(nullptr, DType::kF32, {host.elements()});
    tensor.data = arena_.take(tensor.bytes());
    upload_.bytes(tensor.data, values.data(), tensor.bytes());
    return tensor;
  }

  Linear make_linear(std::span<const WeightView> weights, std::span<const Tensor> biases,
                     const Partition& partition, bool gated) override {
    Matrix& made = matrices_.emplace_back(planned([&] {
      return make_matrix(arena_, upload_, queue_, options_.dtype, weights, biases, gated);
    }));
    made.split = partition.split;
    return {.in_features = made.in, .out_features = made.plan.out, .impl = &made};
  }

  AttentionOp make_attention(const AttentionSpec& spec) override {
    auto found = std::ranges::find(attention_, spec, &AttentionState::spec);
    if (found == attention_.end()) {
      const kernels::AttentionShape shape =
          attention_shape(spec, {.max_tokens = 1, .max_seqs = 1, .max_model_len = 1});
      planned([&] {
        kernels::check_attention(queue_, shape);
        return 0;
      });
      found = attention_.insert(attention_.end(), {.spec = spec, .shape = shape});
    }
    return {.spec = spec, .impl = &*found};
  }

  std::vector<KvLayer> make_kv_cache(const KvCacheSpec& spec) override {
    CHECK(spec.block_size == kCudaBlockSize);
    std::vector<KvLayer> layers;
    for (int i = 0; i < spec.num_layers; ++i) {
      Tensor pool(nullptr, options_.dtype,
                  {spec.num_blocks, 2, spec.num_kv_heads, int64_t{kCudaBlockSize} * spec.head_dim});
      pool.data = arena_.take_exactly(
          pool.bytes());  // zero: values of V that no token has written are multiplied by 0
      layers.push_back({.impl = &caches_.emplace_back(Cache{pool.data})});
    }
    return layers;
  }

  void embed(Tensor y, const Linear& table, Tensor ids) override {
    const kernels::Matrix& w = matrix(table).plan;
    kernels::embed(queue_, options_.dtype, rows_of(y), w.data, w.in, w.out, ids.as<int32_t>(),
                   sampler_ ? sampler_->tokens() : nullptr, table.scale);
  }
  void rms_norm(Tensor y, Tensor x, Tensor w, float eps) override {
    kernels::rms_norm(queue_, options_.dtype, rows_of(y), rows_of(x), w.as<float>(), eps);
  }
  void add_rms_norm(Tensor y, Tensor residual, Tensor x, Tensor w, float eps) override {
    kernels::add_rms_norm(queue_, options_.dtype, rows_of(y), rows_of(residual), rows_of(x),
                          w.as<float>(), eps);
  }

  void linear(Tensor y, Tensor x, const Linear& w) override {
    multiply(y, x, w,
             y.dtype == DType::kF32 ? kernels::Epilogue::kLogits : kernels::Epilogue::kStore);
  }
  void linear_add_norm(Tensor x, Tensor residual, Tensor input, const Linear& w, Tensor norm,
                       float eps) override {
    multiply(residual, input, w, kernels::Epilogue::kAdd);
    rms_norm(x, residual, norm, eps);
  }
  void linear_gated(Tensor y, Tensor x, const Linear& w, Tensor scratch, Gate gate) override {
    const bool silu = gate == Gate::kSilu;
    if (!takes_cublas(x, w))
      return multiply(y, x, w, silu ? kernels::Epilogue::kSiluMul : kernels::Epilogue::kGeluMul);
    multiply(scratch, x, w, kernels::Epilogue::kStore);
    (silu ? kernels::silu_mul : kernels::gelu_mul)(queue_, options_.dtype, rows_of(y), scratch.data,
                                                   scratch.row_stride);
  }
  void gather_columns(Tensor, Tensor) override { CHECK(false, "this device is the only rank"); }
  void softcap(Tensor x, float cap) override {
    kernels::softcap(queue_, x.as<float>(), x.row_stride, static_cast<int>(x.shape[0]),
                     static_cast<int>(x.shape[1]), cap);
  }

  void rope_and_store(Tensor qkv, const QkNorm& norm, Tensor cos_sin, KvLayer kv,
                      const BatchView& b, const AttentionOp& op) override {
    kernels::rope_and_store(
        queue_, options_.dtype, rows_of(qkv), cos_sin.as<float>(), b.positions.as<int32_t>(),
        b.slots.as<int32_t>(), pool_of(kv), rope_spec(op.spec),
        {.wq = norm.q_weight.as<float>(), .wk = norm.k_weight.as<float>(), .eps = norm.eps});
  }
  void attention(Tensor y, Tensor qkv, KvLayer kv, const BatchView& b,
                 const AttentionOp& op) override {
    const auto& state = *static_cast<const AttentionState*>(op.impl);
    kernels::attention(queue_, state.shape, attention_batch(b), y.data, y.row_stride, qkv.data,
                       qkv.row_stride, pool_of(kv), state.workspace);
  }
  void gather_rows(Tensor y, Tensor x, Tensor rows) override {
    kernels::gather_rows(queue_, rows_of(y), rows_of(x), rows.as<int32_t>());
  }

  std::span<uint32_t> mask_memory() override { return sampler_->mask_memory(); }
  void sample(Tensor logits, std::span<const SamplingRow> rows,
              std::span<SampledToken> out) override {
    sampler_->launch(logits, rows, out);
    staging_->next_step();
  }

  void run(const BatchView& batch, const std::function<void()>& body) override {
    const auto all = [&] {
      for (const AttentionState& state : attention_)
        kernels::plan_attention(queue_, state.shape, attention_batch(batch), state.workspace);
      body();
    };
    if (batch.shape)
      graphs_.run(*batch.shape, stream_, all);
    else
      all();
  }
  std::span<const BatchShape> repeatable_shapes() const override { return shapes_; }
  std::span<const int> first_uses() const override { return first_uses_; }

  void wait() override {
    if (sampler_ && sampler_->launched()) return sampler_->wait();
    CHECK(!sealed_, "the host waits for the device outside a step");
    stream_.wait();
    upload_.wait();
    if (staging_) staging_->next_step();
  }

 private:
  struct Cache {
    void* pool;  // [blocks, K and V, heads, block_size * head_dim]
  };
  struct AttentionState {
    AttentionSpec spec;
    kernels::AttentionShape shape;
    void* workspace = nullptr;
  };

  static MemoryInfo device_memory() {
    MemoryInfo info;
    CUDA_CHECK(cudaMemGetInfo(&info.free_bytes, &info.total_bytes));
    return info;
  }

  static void* pool_of(const KvLayer& kv) { return static_cast<const Cache*>(kv.impl)->pool; }
  static const Matrix& matrix(const Linear& w) { return *static_cast<const Matrix*>(w.impl); }
  static SamplerLimits sampler_limits(const StepLimits& limits) {
    return {.max_rows = limits.max_logit_rows,
            .max_seqs = limits.max_seqs,
            .vocab_size = static_cast<int>(limits.vocab_size),
            .max_model_len = limits.max_model_len};
  }
  static kernels::RopeSpec rope_spec(const AttentionSpec& s) {
    return {.num_heads = s.num_heads,
            .num_kv_heads = s.num_kv_heads,
            .head_dim = s.head_dim,
            .rotary_dim = s.rotary_dim,
            .interleaved = s.interleaved};
  }
  kernels::AttentionShape attention_shape(const AttentionSpec& s, const StepLimits& limits) const {
    return {.dtype = options_.dtype,
            .num_heads = s.num_heads,
            .num_kv_heads = s.num_kv_heads,
            .head_dim = s.head_dim,
            .scale = s.scale,
            .softcap = s.softcap,
            .window = s.window,
            .max_seqs = limits.max_seqs,
            .max_tokens = limits.max_tokens,
            .max_model_len = limits.max_model_len};
  }
  // A batch with a shape stands for all others of it, whatever their lengths.
  kernels::AttentionBatch attention_batch(const BatchView& b) const {
    return {.q_starts = b.q_starts.as<int32_t>(),
            .kv_lens = b.kv_lens.as<int32_t>(),
            .block_tables = b.block_tables.as<int32_t>(),
            .table_stride = static_cast<int>(b.block_tables.row_stride),
            .num_seqs = b.num_seqs,
            .num_decodes = b.num_decodes,
            .num_tokens = b.num_tokens,
            .max_q_len = b.max_q_len,
            .max_kv_len = b.shape ? max_model_len_ : b.max_kv_len};
  }
  static size_t layer_block_bytes(const KvCacheSpec& spec) {
    return 2 * sizeof(uint16_t) * static_cast<size_t>(kCudaBlockSize) *
           static_cast<size_t>(spec.num_kv_heads) * static_cast<size_t>(spec.head_dim);
  }

  // For every product of a long step: nothing is chosen while serving.
  void choose_algorithms(int max_tokens) {
    cublas_workspace_ = arena_.take(CublasLt::kWorkspaceBytes);
    if (max_tokens <= options_.max_own_gemm_tokens) return;
    std::set<LtShape> shapes;
    for (const Matrix& m : matrices_) {
      if (m.split == Split::kVocab) continue;  // our own kernels make logits
      shapes.insert(lt_shape(m, false));
      if (m.split == Split::kInputs) shapes.insert(lt_shape(m, true));
    }
    for (const LtShape& shape : shapes)
      planned([&] {
        cublas_->choose(shape, options_.max_own_gemm_tokens + 1, max_tokens);
        return 0;
      });
  }
  LtShape lt_shape(const Matrix& m, bool add) const {
    return {.dtype = options_.dtype,
            .in = m.plan.in,
            .out = m.plan.out,
            .w_stride = m.plan.in,
            .x_stride = stride_of(options_.dtype, m.in),
            .y_stride = stride_of(options_.dtype, m.plan.out),
            .bias = m.bias16 != nullptr,
            .add = add};
  }

  // cuBLAS scales a product, but not its bias.
  bool takes_cublas(const Tensor& x, const Linear& w) const {
    return cublas_ && x.shape[0] > options_.max_own_gemm_tokens &&
           (w.scale == 1 || matrix(w).bias16 == nullptr);
  }

  void multiply(const Tensor& y, const Tensor& x, const Linear& w, kernels::Epilogue epilogue) {
    const Matrix& m = matrix(w);
    if (takes_cublas(x, w) && epilogue != kernels::Epilogue::kLogits &&
        !kernels::is_gated(epilogue)) {
      const LtShape shape = lt_shape(m, epilogue == kernels::Epilogue::kAdd);
      CHECK(x.row_stride == shape.x_stride && y.row_stride == shape.y_stride);
      cublas_->multiply({.shape = shape,
                         .weights = m.plan.data,
                         .bias = m.bias16,
                         .x = x.data,
                         .y = y.data,
                         .scale = w.scale,
                         .tokens = x.shape[0]},
                        cublas_workspace_, stream_.get());
      return;
    }
    kernels::Rows input = rows_of(x);
    input.columns = m.plan.in;  // beyond x's own columns are zeros
    kernels::gemm(queue_, m.plan, input, y.data, y.row_stride, epilogue, w.scale);
  }

  const CudaOptions options_;
  const DeviceInfo device_;
  Stream stream_;
  kernels::KernelAttributes attributes_;
  kernels::StreamRef queue_;
  Arena arena_;
  WeightUpload upload_;
  std::deque<Matrix> matrices_;
  std::deque<Cache> caches_;
  std::deque<AttentionState> attention_;  // one for each distinct spec
  std::optional<Sampler> sampler_;
  std::optional<StepStaging> staging_;
  std::unique_ptr<CublasLt> cublas_;
  void* cublas_workspace_ = nullptr;
  Graphs graphs_;
  std::vector<BatchShape> shapes_;
  std::vector<int> first_uses_;
  size_t free_after_reserve_ = 0;
  int max_model_len_ = 0;
  bool sealed_ = false;
};

}  // namespace

}  // namespace cuda

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options) {
  return std::make_unique<cuda::CudaBackend>(options);
}

}  // namespace ember
