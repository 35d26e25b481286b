// Checks and times the kernels on a GPU, for Llama-3-8B's shapes, against ceilings measured in the same run.
//
// Usage: kernels_bench [--tiny] [--bf16] FAMILY...   with FAMILY of: ceilings gemm decode prefill step. None: all.
// Prints one JSON line per case. Exit status 1 when a result was wrong. --tiny: shapes small enough for the emulated machine.
// Every timing is a captured graph of launches over rotating operands that exceed the L2 cache; best and median of its replays.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/ops.h"
#include "tests/kernels/bench/bench_device.cuh"

namespace ember::kernels::bench {
namespace {

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", call, cudaGetErrorString(status));
  std::exit(70);
}
#define CHECK_CUDA(call) check((call), #call)

struct Buffer {
  void* data = nullptr;
  explicit Buffer(size_t bytes) { CHECK_CUDA(cudaMalloc(&data, bytes)); }
  ~Buffer() { cudaFree(data); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  uint16_t* half(size_t i) const { return as<uint16_t>() + i; }
};

struct Model {
  int hidden = 4096, inner = 14336, heads = 32, kv_heads = 8, head_dim = 128, layers = 32, vocab = 128256;
  int qkv() const { return (heads + 2 * kv_heads) * head_dim; }
};

struct Time {
  double best, median;  // microseconds of one launch
};

class Bench {
 public:
  Bench(bool tiny, DType dtype) : tiny_(tiny), dtype_(dtype) {
    CHECK_CUDA(cudaSetDevice(0));
    cudaDeviceProp p;
    CHECK_CUDA(cudaGetDeviceProperties(&p, 0));
    CHECK_CUDA(cudaStreamCreateWithFlags(&q_.stream, cudaStreamNonBlocking));
    q_.sm = p.major * 10 + p.minor;
    q_.num_sms = p.multiProcessorCount;
    plain_ = q_;
    q_.pdl = is_hopper(q_);
    if (tiny) model_ = {.hidden = 128, .inner = 256, .heads = 4, .kv_heads = 2, .head_dim = 64, .layers = 2, .vocab = 384};
    std::printf("{\"device\": \"%s\", \"sms\": %d, \"type\": \"%s\"}\n", p.name, q_.num_sms, name_of(dtype));
  }
  ~Bench() { cudaStreamDestroy(q_.stream); }

  bool ok() const { return ok_; }

  void ceilings() {
    const size_t bytes = tiny_ ? size_t{1} << 16 : size_t{2} << 30;
    Buffer from(bytes), to(bytes);
    fill(from.half(0), bytes / 2, 1, 1.0f);
    Time t = time(3, [&](int) { launch(plain_, grid(), read_kernel, from.as<uint4>(), static_cast<uint64_t>(bytes / 16), to.as<uint32_t>()); });
    read_gbs_ = static_cast<double>(bytes) / t.best / 1e3;
    report("read", "", t, static_cast<double>(bytes), 0);
    t = time(3, [&](int) { CHECK_CUDA(cudaMemcpyAsync(to.data, from.data, bytes, cudaMemcpyDeviceToDevice, q_.stream)); });
    report("copy", "", t, 2.0 * static_cast<double>(bytes), 0);
  }

  void gemm() {
    const struct {
      const char* name;
      int out, in;
      Epilogue epilogue;
    } cases[] = {{"qkv", model_.qkv(), model_.hidden, Epilogue::kStore},
                 {"o", model_.hidden, model_.heads * model_.head_dim, Epilogue::kStore},
                 {"gate_up", 2 * model_.inner, model_.hidden, Epilogue::kSiluMul},
                 {"down", model_.hidden, model_.inner, Epilogue::kStore},
                 {"lm_head", model_.vocab, model_.hidden, Epilogue::kLogits}};
    for (const auto& c : cases) {
      const size_t elements = static_cast<size_t>(c.out) * static_cast<size_t>(c.in);
      const int copies = tiny_ ? 2 : static_cast<int>(std::max<size_t>(1, (size_t{256} << 20) / (elements * 2)));
      Buffer weights(elements * 2 * static_cast<size_t>(copies));
      fill(weights.half(0), elements * static_cast<size_t>(copies), 2, 0.1f);
      std::vector<Matrix> matrices;
      for (int i = 0; i < copies; ++i) matrices.push_back(make_matrix(q_, weights.half(elements * static_cast<size_t>(i)), nullptr, dtype_, c.out, c.in));
      for (const int tokens : {1, 8, 16, 32, 64, 128, 256}) {
        if (tiny_ && tokens > 16) break;
        const Rows x = rows_of(x_, tokens, c.in);
        fill(static_cast<uint16_t*>(x.data), static_cast<size_t>(tokens * c.in), 3, 1.0f);
        Buffer y(static_cast<size_t>(tokens) * static_cast<size_t>(c.out) * 4);
        const auto multiply = [&](int i) {
          kernels::gemm(q_, matrices[static_cast<size_t>(i % copies)], x, y.data, c.epilogue == Epilogue::kSiluMul ? c.out / 2 : c.out, c.epilogue);
        };
        std::string shape = std::string(c.name) + " " + std::to_string(tokens);
        if (c.epilogue != Epilogue::kSiluMul) check_product(shape, matrices[0], x, c.epilogue);
        const Time t = time(std::max(copies, 8), multiply);
        report("gemm", shape, t, static_cast<double>(elements) * 2, 2.0 * static_cast<double>(elements) * tokens);
      }
    }
  }

  void decode() {
    for (const auto& [seqs, length] : std::vector<std::pair<int, int>>{{1, 1024}, {1, 8192}, {8, 4096}, {64, 1024}, {256, 512}, {64, 129}}) {
      attend("decode", seqs, 1, tiny_ ? length / 8 : length);
      if (tiny_) return;
    }
  }

  void prefill() {
    for (const auto& [q_len, length] : std::vector<std::pair<int, int>>{{1024, 1024}, {8192, 8192}, {1000, 3001}}) {
      attend("prefill", 1, tiny_ ? q_len / 32 : q_len, tiny_ ? length / 32 : length);
      if (tiny_) return;
    }
  }

  // A whole decode step without sampling, from weights of its own for every layer.
  void step() {
    const Model& m = model_;
    const auto size = [](int out, int in) { return static_cast<size_t>(out) * static_cast<size_t>(in); };
    const size_t layer = size(m.qkv(), m.hidden) + size(m.hidden, m.heads * m.head_dim) + size(2 * m.inner, m.hidden) + size(m.hidden, m.inner), head = size(m.vocab, m.hidden);
    Buffer weights((layer * static_cast<size_t>(m.layers) + head) * 2), norm(static_cast<size_t>(m.hidden) * 4);
    fill(weights.half(0), layer * static_cast<size_t>(m.layers) + head, 4, 0.02f);
    fill(norm.as<float>(), static_cast<size_t>(m.hidden), 5, 1.0f);
    struct Layer {
      Matrix qkv, o, gate_up, down;
    };
    std::vector<Layer> layers;
    size_t at = 0;
    const auto take = [&](int out, int in) {
      const Matrix made = make_matrix(q_, weights.half(at), nullptr, dtype_, out, in);
      at += size(out, in);
      return made;
    };
    for (int i = 0; i < m.layers; ++i) {
      Layer l;
      l.qkv = take(m.qkv(), m.hidden), l.o = take(m.hidden, m.heads * m.head_dim), l.gate_up = take(2 * m.inner, m.hidden), l.down = take(m.hidden, m.inner);
      layers.push_back(l);
    }
    const Matrix lm_head = take(m.vocab, m.hidden);
    for (const auto& [seqs, length] : std::vector<std::pair<int, int>>{{1, 1024}, {8, 1024}, {64, 1024}, {256, 512}}) {
      if (tiny_ && seqs > 8) break;
      const Cache cache(*this, seqs, 1, tiny_ ? length / 8 : length, m.layers);
      const Rows residual = rows_of(residual_, seqs, m.hidden), x = rows_of(x_, seqs, m.hidden), qkv = rows_of(qkv_, seqs, m.qkv());
      const Rows attended = rows_of(attended_, seqs, m.heads * m.head_dim), inner = rows_of(inner_, seqs, m.inner);
      Buffer logits(static_cast<size_t>(seqs) * static_cast<size_t>(m.vocab) * 4), table(static_cast<size_t>(cache.length * m.head_dim) * 4);
      fill(table.as<float>(), static_cast<size_t>(cache.length * m.head_dim), 6, 1.0f);
      const RopeSpec rope{m.heads, m.kv_heads, m.head_dim, m.head_dim, false};
      const auto run = [&](int) {
        plan_attention(q_, cache.shape, cache.batch(), cache.workspace->data);
        fill(static_cast<uint16_t*>(residual.data), size(seqs, m.hidden), 7, 1.0f);
        rms_norm(q_, dtype_, x, residual, norm.as<float>(), 1e-5f);
        for (int i = 0; i < m.layers; ++i) {
          const Layer& l = layers[static_cast<size_t>(i)];
          kernels::gemm(q_, l.qkv, x, qkv.data, qkv.stride, Epilogue::kStore);
          rope_and_store(q_, dtype_, qkv, table.as<float>(), cache.positions(), cache.slots(), cache.pool(i), rope);
          attention(q_, cache.shape, cache.batch(), attended.data, attended.stride, qkv.data, qkv.stride, cache.pool(i), cache.workspace->data);
          kernels::gemm(q_, l.o, attended, residual.data, residual.stride, Epilogue::kAdd);
          rms_norm(q_, dtype_, x, residual, norm.as<float>(), 1e-5f);
          kernels::gemm(q_, l.gate_up, x, inner.data, inner.stride, Epilogue::kSiluMul);
          kernels::gemm(q_, l.down, inner, residual.data, residual.stride, Epilogue::kAdd);
          rms_norm(q_, dtype_, x, residual, norm.as<float>(), 1e-5f);
        }
        kernels::gemm(q_, lm_head, x, logits.data, m.vocab, Epilogue::kLogits);
      };
      const double bytes = static_cast<double>(layer * static_cast<size_t>(m.layers) + head) * 2 + cache.bytes_read() * m.layers;
      report("step", std::to_string(seqs) + " x " + std::to_string(cache.length), time(1, run), bytes, 0);
    }
  }

 private:
  // A cache of one or more layers whose sequences all have one length, over blocks in an order of its own, and the step's arrays.
  struct Cache {
    Cache(Bench& b, int seqs_, int q_len_, int length_, int layers_) : seqs(seqs_), q_len(q_len_), length(length_), layers(layers_), model(b.model_) {
      pages = (length + kBlockTokens - 1) / kBlockTokens;
      block_elements = static_cast<size_t>(2 * model.kv_heads * kBlockTokens * model.head_dim);
      shape = {.dtype = b.dtype_, .num_heads = model.heads, .num_kv_heads = model.kv_heads, .head_dim = model.head_dim, .scale = 0.0883883f,
               .max_seqs = seqs, .max_tokens = seqs * q_len, .max_model_len = length};
      pools = std::make_unique<Buffer>(layer_elements() * static_cast<size_t>(layers) * 2);
      b.fill(pools->half(0), layer_elements() * static_cast<size_t>(layers), 8, 1.0f);
      workspace = std::make_unique<Buffer>(attention_workspace_bytes(b.q_, shape));
      std::vector<int32_t> host;
      for (int s = 0; s <= seqs; ++s) host.push_back(s * q_len);
      for (int s = 0; s < seqs; ++s) host.push_back(length);
      for (int i = 0; i < seqs * pages; ++i) host.push_back(block(i));
      for (int t = 0; t < seqs * q_len; ++t) host.push_back(length - q_len + t % q_len);
      for (int t = 0; t < seqs * q_len; ++t) {
        const int position = length - q_len + t % q_len;
        host.push_back(block(t / q_len * pages + position / kBlockTokens) * kBlockTokens + position % kBlockTokens);
      }
      arrays = std::make_unique<Buffer>(host.size() * 4);
      CHECK_CUDA(cudaMemcpy(arrays->data, host.data(), host.size() * 4, cudaMemcpyHostToDevice));
    }
    // An odd factor permutes the blocks of a power of two; elsewhere the order stays.
    int block(int i) const {
      const int n = seqs * pages;
      return (n & (n - 1)) == 0 ? (i * 37) & (n - 1) : i;
    }
    size_t layer_elements() const { return static_cast<size_t>(seqs * pages) * block_elements; }
    double bytes_read() const { return 4.0 * seqs * length * model.kv_heads * model.head_dim; }
    void* pool(int layer) const { return pools->half(layer_elements() * static_cast<size_t>(layer)); }
    const int32_t* tables() const { return arrays->as<int32_t>() + 2 * seqs + 1; }
    const int32_t* positions() const { return tables() + seqs * pages; }
    const int32_t* slots() const { return positions() + seqs * q_len; }
    AttentionBatch batch() const {
      return {arrays->as<int32_t>(), arrays->as<int32_t>() + seqs + 1, tables(), pages, seqs, q_len == 1 ? seqs : 0, seqs * q_len, q_len, length};
    }

    int seqs, q_len, length, layers, pages;
    Model model;
    size_t block_elements;
    AttentionShape shape;
    std::unique_ptr<Buffer> pools, workspace, arrays;
  };

  void attend(const char* family, int seqs, int q_len, int length) {
    const double one_layer = 4.0 * seqs * length * model_.kv_heads * model_.head_dim;
    const int layers = tiny_ ? 2 : std::clamp(static_cast<int>(256e6 / one_layer), 2, 16);
    const Cache cache(*this, seqs, q_len, length, layers);
    const Rows qkv = rows_of(qkv_, seqs * q_len, model_.qkv()), out = rows_of(attended_, seqs * q_len, model_.heads * model_.head_dim);
    fill(static_cast<uint16_t*>(qkv.data), static_cast<size_t>(qkv.rows) * static_cast<size_t>(qkv.stride), 9, 1.0f);
    plan_attention(q_, cache.shape, cache.batch(), cache.workspace->data);
    const auto run = [&](int layer) {
      attention(q_, cache.shape, cache.batch(), out.data, out.stride, qkv.data, qkv.stride, cache.pool(layer % layers), cache.workspace->data);
    };
    const std::string shape = std::to_string(seqs) + " x " + std::to_string(q_len) + " of " + std::to_string(length);
    const size_t results = static_cast<size_t>(out.rows) * static_cast<size_t>(out.stride);
    if (results * static_cast<size_t>(length) < size_t{1} << 32) {
      run(0);
      Buffer reference(results * 4);
      const ReferenceAttention a{qkv.data, cache.pool(0), cache.tables(), cache.pages, model_.heads, model_.kv_heads, model_.head_dim, q_len, length, cache.shape.scale};
      with_type([&]<class T>(T*) { launch(plain_, grid(), reference_attention_kernel<T>, reference.as<float>(), a, seqs); });
      compare(family, shape, out.data, reference, results, dtype_ == DType::kF16 ? 2e-3 : 1.5e-2);
    }
    const double pairs = static_cast<double>(seqs) * q_len * (length - (q_len - 1) / 2.0);
    report(family, shape, time(layers, run), one_layer, 4.0 * pairs * model_.heads * model_.head_dim);
  }

  void check_product(const std::string& shape, const Matrix& w, Rows x, Epilogue epilogue) {
    const size_t results = static_cast<size_t>(x.rows) * static_cast<size_t>(w.out);
    Buffer y(results * 4), reference(results * 4);
    kernels::gemm(q_, w, x, y.data, w.out, epilogue);
    with_type([&]<class T>(T*) {
      launch(plain_, grid(), reference_product_kernel<T>, reference.as<float>(), static_cast<const T*>(x.data), static_cast<const T*>(w.data), x.rows, w.out, w.in);
    });
    if (epilogue == Epilogue::kLogits) compare<float>("gemm", shape, y.as<float>(), reference, results, 1e-4);
    else compare("gemm", shape, y.data, reference, results, dtype_ == DType::kF16 ? 1e-3 : 8e-3);
  }

  void compare(const char* family, const std::string& shape, const void* y, const Buffer& reference, size_t count, double tolerance) {
    with_type([&]<class T>(T*) { compare<T>(family, shape, static_cast<const T*>(y), reference, count, tolerance); });
  }

  // tolerance: of the largest difference, relative to the largest result.
  template <class T>
  void compare(const char* family, const std::string& shape, const T* y, const Buffer& reference, size_t count, double tolerance) {
    Buffer worst(8);
    CHECK_CUDA(cudaMemsetAsync(worst.data, 0, 8, q_.stream));
    launch(plain_, grid(), compare_kernel<T>, worst.as<uint32_t>(), y, static_cast<const float*>(reference.data), static_cast<uint64_t>(count));
    float found[2];
    CHECK_CUDA(cudaStreamSynchronize(q_.stream));
    CHECK_CUDA(cudaMemcpy(found, worst.data, 8, cudaMemcpyDeviceToHost));
    const bool right = found[1] > 0 && static_cast<double>(found[0]) <= tolerance * static_cast<double>(found[1]);
    ok_ = ok_ && right;
    std::printf("{\"kernel\": \"%s\", \"shape\": \"%s\", \"right\": %s, \"largest_difference\": %.3g, \"largest\": %.3g}\n", family, shape.c_str(), right ? "true" : "false",
                static_cast<double>(found[0]), static_cast<double>(found[1]));
  }

  Time time(int launches, const std::function<void(int)>& enqueue) {
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    cudaEvent_t begin, end;
    CHECK_CUDA(cudaStreamSynchronize(q_.stream));
    CHECK_CUDA(cudaStreamBeginCapture(q_.stream, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < launches; ++i) enqueue(i);
    CHECK_CUDA(cudaStreamEndCapture(q_.stream, &graph));
    CHECK_CUDA(cudaGraphInstantiate(&exec, graph, 0));
    CHECK_CUDA(cudaEventCreateWithFlags(&begin, 0));
    CHECK_CUDA(cudaEventCreateWithFlags(&end, 0));
    std::vector<double> times;
    for (int i = 0; i < (tiny_ ? 2 : 12); ++i) {
      CHECK_CUDA(cudaEventRecord(begin, q_.stream));
      CHECK_CUDA(cudaGraphLaunch(exec, q_.stream));
      CHECK_CUDA(cudaEventRecord(end, q_.stream));
      CHECK_CUDA(cudaEventSynchronize(end));
      float milliseconds = 0;
      CHECK_CUDA(cudaEventElapsedTime(&milliseconds, begin, end));
      if (i > 0) times.push_back(double{milliseconds} * 1e3 / launches);  // the first warms up
    }
    cudaEventDestroy(begin), cudaEventDestroy(end), cudaGraphExecDestroy(exec), cudaGraphDestroy(graph);
    std::sort(times.begin(), times.end());
    return {times.front(), times[times.size() / 2]};
  }

  void report(const char* family, const std::string& shape, const Time& t, double bytes, double operations) {
    const double gbs = bytes / t.best / 1e3;
    std::printf("{\"kernel\": \"%s\", \"shape\": \"%s\", \"us\": %.2f, \"us_median\": %.2f, \"gb_per_s\": %.1f, \"tflop_per_s\": %.2f", family, shape.c_str(), t.best, t.median,
                gbs, operations / t.best / 1e6);
    if (read_gbs_ > 0) std::printf(", \"of_read_ceiling\": %.3f", gbs / read_gbs_);
    std::printf("}\n");
    std::fflush(stdout);
  }

  LaunchShape grid() const { return {.grid = dim3(static_cast<unsigned>(tiny_ ? 2 : q_.num_sms * 8)), .threads = kThreads}; }

  template <class Body>
  void with_type(Body&& body) const {
    if (dtype_ == DType::kF16) body(static_cast<__half*>(nullptr));
    else body(static_cast<__nv_bfloat16*>(nullptr));
  }

  void fill(uint16_t* to, size_t count, uint32_t seed, float scale) {
    with_type([&]<class T>(T*) { launch(plain_, grid(), fill_kernel<T>, reinterpret_cast<T*>(to), static_cast<uint64_t>(count), seed, scale); });
  }
  void fill(float* to, size_t count, uint32_t seed, float scale) { launch(plain_, grid(), fill_kernel<float>, to, static_cast<uint64_t>(count), seed, scale); }

  // Activations: made at the first use, larger when a larger case comes.
  Rows rows_of(std::pair<std::unique_ptr<Buffer>, size_t>& place, int rows, int columns) {
    const size_t bytes = static_cast<size_t>(rows) * static_cast<size_t>(columns) * 2;
    if (place.second < bytes) {
      CHECK_CUDA(cudaStreamSynchronize(q_.stream));
      place = {std::make_unique<Buffer>(bytes), bytes};
    }
    return {place.first->data, columns, rows, columns};
  }

  bool tiny_;
  DType dtype_;
  Queue q_, plain_;  // the same stream; the benchmark's own kernels know nothing of dependent launch
  Model model_;
  bool ok_ = true;
  double read_gbs_ = 0;
  std::pair<std::unique_ptr<Buffer>, size_t> x_, qkv_, attended_, inner_, residual_;
};

}  // namespace
}  // namespace ember::kernels::bench

int main(int argc, char** argv) {
  using ember::kernels::bench::Bench;
  bool tiny = false;
  ember::DType dtype = ember::DType::kF16;
  std::vector<std::string> families;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--tiny") == 0) tiny = true;
    else if (std::strcmp(argv[i], "--bf16") == 0) dtype = ember::DType::kBF16;
    else families.emplace_back(argv[i]);
  }
  if (families.empty()) families = {"ceilings", "gemm", "decode", "prefill", "step"};
  Bench bench(tiny, dtype);
  for (const std::string& family : families) {
    if (family == "ceilings") bench.ceilings();
    else if (family == "gemm") bench.gemm();
    else if (family == "decode") bench.decode();
    else if (family == "prefill") bench.prefill();
    else if (family == "step") bench.step();
    else {
      std::fprintf(stderr, "no family %s: ceilings gemm decode prefill step\n", family.c_str());
      return 2;
    }
  }
  return bench.ok() ? 0 : 1;
}
