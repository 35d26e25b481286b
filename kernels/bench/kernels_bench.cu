// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "ember/base/integers.h"
#include "ember/base/splitmix64.h"
#include "kernels/attention.h"
#include "kernels/bench/attention_cases.h"
#include "kernels/bench/bench_device.cuh"
#include "kernels/bench/buffer.h"
#include "kernels/bench/gemm_cases.h"
#include "kernels/bench/kernels_bench.h"
#include "kernels/bench/predictions.h"
#include "kernels/bench/shapes.h"
#include "kernels/gemm.h"
#include "kernels/gemm_variants.h"
#include "kernels/ops.h"
#include "kernels/sample.h"

namespace ember::kernels::bench {
namespace {

struct Time {
  double best, median;  // microseconds of one launch
};

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options), tiny_(options.tiny), dtype_(options.dtype) {
    int device = 0;
    cudaDeviceProp p;
    CHECK_CUDA(cudaGetDevice(&device));
    CHECK_CUDA(cudaGetDeviceProperties(&p, device));
    CHECK_CUDA(cudaStreamCreateWithFlags(&stream_.handle, cudaStreamNonBlocking));
    stream_.sm = p.major * 10 + p.minor;
    stream_.num_sms = p.multiProcessorCount;
    stream_.shared_per_sm = p.sharedMemPerMultiprocessor;
    plain_ = stream_;
    stream_.pdl = is_hopper(stream_);
    if (tiny_)
      model_ = {
          .hidden = 128, .inner = 256, .heads = 4, .kv_heads = 2, .head_dim = 64, .vocab = 384};
    print("{\"device\": \"%s\", \"sms\": %d, \"type\": \"%s\", \"cublas\": %s}", p.name,
          stream_.num_sms, name_of(dtype_), options.cublas ? "true" : "false");
  }
  ~Bench() { cudaStreamDestroy(stream_.handle); }

  bool ok() const { return ok_; }

  void ceilings() {
    const size_t bytes = tiny_ ? size_t{1} << 16 : size_t{2} << 30;
    Buffer from(bytes), to(bytes);
    fill(from.half(0), bytes / 2, 1, 1.0f);
    Time t = time(3, [&](int) {
      launch(plain_, grid(), read_kernel, from.as<uint4>(), static_cast<uint64_t>(bytes / 16),
             to.as<uint32_t>());
    });
    report("read", "", t, static_cast<double>(bytes), 0);
    t = time(3, [&](int) {
      CHECK_CUDA(
          cudaMemcpyAsync(to.data, from.data, bytes, cudaMemcpyDeviceToDevice, stream_.handle));
    });
    report("copy", "", t, 2.0 * static_cast<double>(bytes), 0);
    if (options_.cublas) cublas_ceilings();
  }

  // Beside Llama's shapes: whatever else a model or a batch may bring.
  void cases() {
    const auto report_case = [&](const CaseResult& r) { report(r); };
    check_attention_cases(stream_, dtype_, report_case);
    check_gemm_cases(stream_, dtype_, tiny_, report_case);
  }

  void gemm() {
    for (const GemmCase& c : products_of(model_)) gemm(c);
  }

  void decode() {
    for (const AttentionCase& c : kDecodes) {
      const AttentionCase shape{c.seqs, 1, tiny_ ? c.kv_len / 8 : c.kv_len};
      attend("decode", name_of(shape), shape_of(model_, dtype_, shape), shape);
      if (tiny_) break;
    }
    attend_variants("decode", decode_variants());
  }

  void prefill() {
    for (const AttentionCase& c : kPrefills) {
      const AttentionCase shape{1, tiny_ ? c.q_len / 32 : c.q_len,
                                tiny_ ? c.kv_len / 32 : c.kv_len};
      attend("prefill", name_of(shape), shape_of(model_, dtype_, shape), shape);
      if (tiny_) break;
    }
    attend_variants("prefill", prefill_variants());
  }

  // What runs at the same time: rope with attention behind it, whose first loads do not depend on
  // it, and decodes with a chunk, one bound by memory and the other by arithmetic.
  void overlap() {
    const AttentionCase decodes{tiny_ ? 2 : 64, 1, tiny_ ? 70 : 1024},
        chunk{1, tiny_ ? 20 : 1024, tiny_ ? 40 : 1024};
    rope_and_attend(decodes);
    decode_beside(decodes, chunk);
  }

  // The sum with the residual stream, and its norm: few rows are one chain of latencies.
  void norm() {
    const int columns = model_.hidden;
    for (const int rows : {1, 8, 64}) {
      const size_t elements = static_cast<size_t>(rows) * static_cast<size_t>(columns);
      const Buffer x(elements * 2), residual(elements * 2), y(elements * 2),
          w(static_cast<size_t>(columns) * 4);
      for (const Buffer* b : {&x, &residual}) fill(b->half(0), elements, 5, 1.0f);
      CHECK_CUDA(cudaMemsetAsync(w.data, 0, w.bytes, stream_.handle));
      const auto view = [&](const Buffer& b) { return Rows{b.data, columns, rows, columns}; };
      const Time t = time(tiny_ ? 1 : 16, [&](int) {
        add_rms_norm(stream_, dtype_, view(y), view(residual), view(x), w.as<float>(), 1e-5f);
      });
      report("norm", format("%d x %d", rows, columns), t, static_cast<double>(elements) * 8, 0);
      if (tiny_) return;
    }
  }

  // Logits to tokens: what each kind of request costs.
  void sample() {
    const std::map<std::string, SampleRow> kinds = {
        {"greedy", {.temperature = 0}},
        {"plain", {}},
        {"top-p", {.top_p = 0.95f}},
        {"top-k", {.top_k = 50}},
        {"penalties", {.temperature = 0, .repetition_penalty = 1.05f, .seen = 0}},
        {"masks", {.temperature = 0, .mask = 0}},
        {"logprobs", {.temperature = 0, .num_logprobs = 5}}};
    for (const int rows : {1, 64, 256}) {
      for (const auto& [kind, row] : kinds) sample(kind, row, rows);
      if (tiny_) return;
    }
  }

 private:
  void attend_variants(const char* family, const std::vector<AttentionVariant>& all) {
    for (AttentionVariant v : all) {
      if (tiny_) v.c = {1, std::min(v.c.q_len, 40), 40};
      attend(family, name_of(v), shape_of(model_, dtype_, v), v.c);
    }
  }

  void sample(const std::string& kind, const SampleRow& row, int rows) {
    const int vocab = model_.vocab, words = ceil_div(vocab, 32);
    const auto count = static_cast<size_t>(rows);
    const Buffer logits(count * static_cast<size_t>(vocab) * 4), params(count * sizeof(SampleRow)),
        seen(count * static_cast<size_t>(seen_stride(vocab)) * 4),
        masks(count * static_cast<size_t>(words) * 4), out(count * sizeof(SampledRow)),
        tokens(count * 4), previous(count * 4), sequence(4),
        workspace(sample_workspace_bytes(stream_, rows, vocab));
    launch(plain_, grid(), fill_kernel<float>, logits.as<float>(),
           static_cast<uint64_t>(rows) * static_cast<uint64_t>(vocab), 10u, 8.0f);
    CHECK_CUDA(cudaMemsetAsync(workspace.data, 0, workspace.bytes, stream_.handle));
    if (row.seen >= 0) see(seen, rows);
    CHECK_CUDA(cudaMemsetAsync(masks.data, 0x55, masks.bytes, stream_.handle));
    std::vector<SampleRow> host(count, row);
    for (size_t i = 0; i < count; ++i) {
      host[i].position = i;
      if (row.seen >= 0) host[i].seen = static_cast<int32_t>(i);
      if (row.mask >= 0) host[i].mask = static_cast<int32_t>(i);
    }
    params.write(stream_.handle, host);
    const SampleArgs args{
        .logits = logits.as<float>(),
        .stride = vocab,
        .rows = rows,
        .vocab = vocab,
        .params = params.as<SampleRow>(),
        .lists = {.seen = seen.as<uint32_t>(), .masks = masks.as<uint32_t>(), .mask_stride = words},
        .previous = previous.as<int32_t>(),
        .workspace = workspace.data,
        .out = out.as<SampledRow>(),
        .tokens = tokens.as<int32_t>(),
        .sequence = sequence.as<uint32_t>()};
    const Time t = time(tiny_ ? 1 : 8, [&](int) { kernels::sample(stream_, args); });
    report("sample", std::to_string(rows) + " " + kind, t, static_cast<double>(rows) * vocab * 4,
           0);
  }

  // Of each row other 8192 tokens, drawn as words of a text are, the n-th most frequent 1/n as
  // often as the first: about 3900 different ones of 128256.
  void see(const Buffer& seen, int rows) {
    const int context = tiny_ ? 64 : 8192, apart = context / 64;
    std::vector<int32_t> ids(static_cast<size_t>(context + (rows - 1) * apart));
    for (size_t i = 0; i < ids.size(); ++i) {
      const double unit = static_cast<double>(splitmix64(i) >> 11) * 0x1p-53;
      ids[i] = static_cast<int32_t>(std::pow(model_.vocab, unit)) - 1;
    }
    std::vector<SeenUpdate> updates;
    for (int i = 0; i < rows; ++i)
      updates.push_back({.row = i,
                         .clear = 1,
                         .ids_begin = i * apart,
                         .num_prompt = context - context / 8,
                         .num_output = context / 8});
    const Buffer ids_there(ids.size() * 4), updates_there(updates.size() * sizeof(SeenUpdate));
    ids_there.write(stream_.handle, ids);
    updates_there.write(stream_.handle, updates);
    update_seen(plain_, {.seen = seen.as<uint32_t>(),
                         .vocab = model_.vocab,
                         .updates = updates_there.as<SeenUpdate>(),
                         .count = rows,
                         .ids = ids_there.as<int32_t>()});
    CHECK_CUDA(cudaStreamSynchronize(stream_.handle));
  }

  void gemm(const GemmCase& c) {
    const size_t elements = static_cast<size_t>(c.out) * static_cast<size_t>(c.in);
    const int copies =
        tiny_ ? 2 : static_cast<int>(std::max<size_t>(1, (size_t{256} << 20) / (elements * 2)));
    Buffer weights(elements * 2 * static_cast<size_t>(copies));
    fill(weights.half(0), elements * static_cast<size_t>(copies), 2, 0.1f);
    std::vector<Matrix> matrices;
    for (int i = 0; i < copies; ++i)
      matrices.push_back(make_matrix(stream_, weights.half(elements * static_cast<size_t>(i)),
                                     nullptr, dtype_, c.out, c.in));
    for (const int tokens : token_counts_of(c)) {
      if (tiny_ && tokens > 16) break;
      const Rows x = rows_of(x_, tokens, c.in);
      fill(static_cast<uint16_t*>(x.data), static_cast<size_t>(tokens * c.in), 3, 1.0f);
      Buffer y(static_cast<size_t>(tokens) * static_cast<size_t>(c.out) * 4);
      CHECK_CUDA(cudaMemsetAsync(y.data, 0, y.bytes, stream_.handle));
      const auto matrix = [&](int i) -> const Matrix& {
        return matrices[static_cast<size_t>(i % copies)];
      };
      const std::string shape = name_of(c, tokens);
      check_product(shape, matrices[0], x, c.epilogue);
      const int launches = std::max(copies, 8);
      const Time t = time(launches, [&](int i) {
        kernels::gemm(stream_, matrix(i), x, y.data, width(matrix(i), c.epilogue), c.epilogue);
      });
      double cublas_us = 0;
      if (options_.cublas)
        cublas_us = time(launches, [&](int i) {
                      options_.cublas(product(matrix(i), x, y), stream_.handle);
                    }).best;
      report("gemm", shape, t, static_cast<double>(elements) * 2,
             2.0 * static_cast<double>(elements) * tokens, cublas_us,
             ", " + predicted(c, tokens) + clusters(matrices[0], tokens));
    }
  }

  // Members of a JSON object: more clusters than run at once are several waves.
  std::string clusters(const Matrix& w, int tokens) const {
    if (!is_hopper(stream_)) return "";
    std::string members;
    with_type([&]<class T>(T*) {
      const GemmClusters c = gemm_clusters_sm90<T>(stream_, w, tokens);
      members = format(", \"cluster\": %d, \"clusters\": %d, \"clusters_at_once\": %d", c.ctas,
                       c.clusters, c.at_once);
    });
    return members;
  }

  // What cuBLAS reaches with products so large that nothing but arithmetic limits it.
  void cublas_ceilings() {
    const int tokens = tiny_ ? 16 : 8192;
    const int shapes[][2] = {{model_.hidden, model_.hidden},
                             {2 * model_.inner, model_.hidden},
                             {model_.hidden, model_.inner},
                             {2 * model_.hidden, 2 * model_.hidden}};
    for (const auto& [out, in] : shapes) {
      const size_t elements = static_cast<size_t>(out) * static_cast<size_t>(in);
      Buffer weights(elements * 2), y(static_cast<size_t>(tokens) * static_cast<size_t>(out) * 2);
      const Rows x = rows_of(x_, tokens, in);
      fill(weights.half(0), elements, 2, 0.1f);
      fill(static_cast<uint16_t*>(x.data), static_cast<size_t>(tokens) * static_cast<size_t>(in), 3,
           1.0f);
      const Product p{dtype_, weights.data, x.data, y.data, tokens, in, out};
      options_.cublas(p,
                      stream_.handle);  // chooses and loads its kernel before anything is captured
      const Time t = time(2, [&](int) { options_.cublas(p, stream_.handle); });
      const double operations = 2.0 * static_cast<double>(elements) * tokens;
      report("cublas",
             std::to_string(tokens) + " x " + std::to_string(out) + " x " + std::to_string(in), t,
             static_cast<double>(elements) * 2, operations);
    }
  }

  // A cache of one or more layers whose sequences all have one length, over blocks in an order of
  // its own, and the step's arrays.
  struct Cache {
    Cache(Bench& b, const AttentionShape& shape_, const AttentionCase& c, int layers_)
        : seqs(c.seqs), q_len(c.q_len), length(c.kv_len), layers(layers_), shape(shape_) {
      pages = ceil_div(length, kBlockTokens);
      block_elements = static_cast<size_t>(2 * shape.num_kv_heads * kBlockTokens * shape.head_dim);
      pools = std::make_unique<Buffer>(layer_elements() * static_cast<size_t>(layers) * 2);
      b.fill(pools->half(0), layer_elements() * static_cast<size_t>(layers), 8, 1.0f);
      workspace = std::make_unique<Buffer>(attention_workspace_bytes(b.stream_, shape));
      std::vector<int32_t> host;
      for (int s = 0; s <= seqs; ++s) host.push_back(s * q_len);
      for (int s = 0; s < seqs; ++s) host.push_back(length);
      for (int i = 0; i < seqs * pages; ++i) host.push_back(block(i));
      arrays = std::make_unique<Buffer>(host.size() * 4);
      arrays->write(b.stream_.handle, host);
    }
    // An odd factor permutes the blocks of a power of two; elsewhere the order stays.
    int block(int i) const {
      const int n = seqs * pages;
      return (n & (n - 1)) == 0 ? (i * 37) & (n - 1) : i;
    }
    size_t layer_elements() const { return static_cast<size_t>(seqs * pages) * block_elements; }
    void* pool(int layer) const {
      return pools->half(layer_elements() * static_cast<size_t>(layer));
    }
    const int32_t* tables() const { return arrays->as<int32_t>() + 2 * seqs + 1; }
    AttentionBatch batch() const {
      return {arrays->as<int32_t>(),
              arrays->as<int32_t>() + seqs + 1,
              tables(),
              pages,
              seqs,
              q_len == 1 ? seqs : 0,
              seqs * q_len,
              q_len,
              length};
    }

    int seqs, q_len, length, layers, pages;
    size_t block_elements;
    AttentionShape shape;
    std::unique_ptr<Buffer> pools, workspace, arrays;
  };

  void rope_and_attend(const AttentionCase& c) {
    const AttentionShape shape = shape_of(model_, dtype_, c);
    const int layers = layers_of(shape, c), half = shape.head_dim / 2;
    const Cache cache(*this, shape, c, layers);
    const Rows qkv = rows_of(qkv_, c.seqs, model_.qkv()),
               out = rows_of(attended_, c.seqs, model_.heads * model_.head_dim);
    fill(static_cast<uint16_t*>(qkv.data),
         static_cast<size_t>(qkv.rows) * static_cast<size_t>(qkv.stride), 9, 1.0f);
    std::vector<float> cos_sin(static_cast<size_t>(2 * half), 0.0f);  // position 0: nothing turns
    std::fill_n(cos_sin.begin(), half, 1.0f);
    std::vector<int32_t> places(static_cast<size_t>(c.seqs), 0);  // positions, then slots
    for (int s = 0; s < c.seqs; ++s)
      places.push_back(cache.block((s + 1) * cache.pages - 1) * kBlockTokens +
                       (c.kv_len - 1) % kBlockTokens);
    const Buffer cos_sin_there(cos_sin.size() * 4), places_there(places.size() * 4);
    cos_sin_there.write(stream_.handle, cos_sin);
    places_there.write(stream_.handle, places);
    const auto run = [&](const char* how, const StreamRef& stream) {
      const auto layer = [&](int i) {
        void* const pool = cache.pool(i % layers);
        rope_and_store(stream, dtype_, qkv, cos_sin_there.as<float>(), places_there.as<int32_t>(),
                       places_there.as<int32_t>() + c.seqs, pool,
                       {model_.heads, model_.kv_heads, model_.head_dim, model_.head_dim});
        attention(stream, shape, cache.batch(), out.data, out.stride, qkv.data, qkv.stride, pool,
                  cache.workspace->data);
      };
      plan_attention(stream, shape, cache.batch(), cache.workspace->data);
      layer(0);  // loads what recording could not
      report("overlap", name_of(c) + ", rope and attention, " + how, time(layers, layer),
             layer_bytes(shape, c), 0);
    };
    KernelAttributes drivers(cudaSharedmemCarveoutDefault);
    StreamRef divided = stream_;
    divided.attributes = &drivers;
    run("as served", stream_);
    run("L1 as the driver divides it", divided);
    run("no early begin", plain_);
  }

  void decode_beside(const AttentionCase& decodes, const AttentionCase& chunk) {
    const AttentionShape shapes[] = {shape_of(model_, dtype_, decodes),
                                     shape_of(model_, dtype_, chunk)};
    const int layers = layers_of(shapes[0], decodes);
    const Cache caches[] = {{*this, shapes[0], decodes, layers}, {*this, shapes[1], chunk, layers}};
    const Rows qkv = rows_of(qkv_, decodes.seqs + chunk.q_len, model_.qkv()),
               out = rows_of(attended_, qkv.rows, model_.heads * model_.head_dim);
    fill(static_cast<uint16_t*>(qkv.data),
         static_cast<size_t>(qkv.rows) * static_cast<size_t>(qkv.stride), 9, 1.0f);
    const StreamRef main = plain_;
    StreamRef side = main;
    cudaEvent_t fork, join;
    CHECK_CUDA(cudaStreamCreateWithFlags(&side.handle, cudaStreamNonBlocking));
    CHECK_CUDA(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    CHECK_CUDA(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
    const auto attend = [&](int which, const StreamRef& stream, int layer) {
      const int64_t row = which == 0 ? 0 : decodes.seqs;
      const Cache& cache = caches[which];
      attention(stream, shapes[which], cache.batch(),
                static_cast<uint16_t*>(out.data) + row * out.stride, out.stride,
                static_cast<const uint16_t*>(qkv.data) + row * qkv.stride, qkv.stride,
                cache.pool(layer % layers), cache.workspace->data);
    };
    for (int which = 0; which < 2; ++which) {
      plan_attention(main, shapes[which], caches[which].batch(), caches[which].workspace->data);
      attend(which, main, 0);
    }
    const auto run = [&](const char* how, const std::function<void(int)>& layer) {
      report("overlap", name_of(decodes) + " and " + name_of(chunk) + ", " + how,
             time(layers, layer), layer_bytes(shapes[0], decodes), 0);
    };
    run("one after the other", [&](int layer) {
      attend(0, main, layer);
      attend(1, main, layer);
    });
    run("side by side", [&](int layer) {
      CHECK_CUDA(cudaEventRecord(fork, main.handle));
      CHECK_CUDA(cudaStreamWaitEvent(side.handle, fork, 0));
      attend(0, side, layer);
      attend(1, main, layer);
      CHECK_CUDA(cudaEventRecord(join, side.handle));
      CHECK_CUDA(cudaStreamWaitEvent(main.handle, join, 0));
    });
    cudaEventDestroy(fork), cudaEventDestroy(join);
    cudaStreamDestroy(side.handle);
  }

  static double layer_bytes(const AttentionShape& shape, const AttentionCase& c) {
    return 4.0 * c.seqs * c.kv_len * shape.num_kv_heads * shape.head_dim;
  }
  // So many that they exceed the L2 cache.
  int layers_of(const AttentionShape& shape, const AttentionCase& c) const {
    return tiny_ ? 2 : std::clamp(static_cast<int>(256e6 / layer_bytes(shape, c)), 2, 16);
  }

  void attend(const char* family, const std::string& name, const AttentionShape& shape,
              const AttentionCase& c) {
    const auto& [seqs, q_len, length] = c;
    const double one_layer = layer_bytes(shape, c);
    const int layers = layers_of(shape, c);
    const Cache cache(*this, shape, c, layers);
    const Rows qkv = rows_of(qkv_, seqs * q_len,
                             (shape.num_heads + 2 * shape.num_kv_heads) * shape.head_dim),
               out = rows_of(attended_, seqs * q_len, shape.num_heads * shape.head_dim);
    fill(static_cast<uint16_t*>(qkv.data),
         static_cast<size_t>(qkv.rows) * static_cast<size_t>(qkv.stride), 9, 1.0f);
    plan_attention(stream_, cache.shape, cache.batch(), cache.workspace->data);
    const auto run = [&](int layer) {
      attention(stream_, cache.shape, cache.batch(), out.data, out.stride, qkv.data, qkv.stride,
                cache.pool(layer % layers), cache.workspace->data);
    };
    const size_t results = static_cast<size_t>(out.rows) * static_cast<size_t>(out.stride);
    if (results * static_cast<size_t>(length) < size_t{1} << 34) {
      run(0);
      Buffer reference(results * 4);
      const ReferenceAttention a{qkv.data,        cache.pool(0),      cache.tables(), cache.pages,
                                 shape.num_heads, shape.num_kv_heads, shape.head_dim, q_len,
                                 length,          shape.scale};
      with_type([&]<class T>(T*) {
        launch(plain_, grid(), reference_attention_kernel<T>, reference.as<float>(), a, seqs);
      });
      compare(family, name, out.data, reference, results, dtype_ == DType::kF16 ? 2e-3 : 1.5e-2);
    }
    const double pairs = static_cast<double>(seqs) * q_len * (length - (q_len - 1) / 2.0);
    report(family, name, time(layers, run), one_layer,
           4.0 * pairs * shape.num_heads * shape.head_dim, 0, ", " + predicted(shape, c));
  }

  static int width(const Matrix& w, Epilogue epilogue) {
    return epilogue == Epilogue::kSiluMul ? w.out / 2 : w.out;
  }
  Product product(const Matrix& w, Rows x, const Buffer& y) const {
    return {dtype_, w.data, x.data, y.data, x.rows, w.in, w.out};
  }

  void check_product(const std::string& shape, const Matrix& w, Rows x, Epilogue epilogue) {
    const size_t sums = static_cast<size_t>(x.rows) * static_cast<size_t>(w.out),
                 results = static_cast<size_t>(x.rows) * static_cast<size_t>(width(w, epilogue));
    const double tolerance = dtype_ == DType::kF16 ? 1e-3 : 8e-3;
    Buffer y(sums * 4), reference(sums * 4), gated(sums * 2);
    with_type([&]<class T>(T*) {
      launch(plain_, grid(), reference_product_kernel<T>, reference.as<float>(),
             static_cast<const T*>(x.data), static_cast<const T*>(w.data), x.rows, w.out, w.in);
    });
    if (options_.cublas) {
      options_.cublas(product(w, x, y), stream_.handle);
      compare("cublas", shape, y.data, reference, sums, tolerance);
    }
    if (epilogue == Epilogue::kAdd) {
      fill(y.half(0), results, 4, 1.0f);
      with_type([&]<class T>(T*) {
        launch(plain_, grid(), reference_add_kernel<T>, reference.as<float>(), y.as<T>(),
               static_cast<uint64_t>(results));
      });
    }
    kernels::gemm(stream_, w, x, y.data, width(w, epilogue), epilogue);
    if (epilogue == Epilogue::kSiluMul)
      launch(plain_, grid(), reference_silu_mul_kernel, gated.as<float>(), reference.as<float>(),
             static_cast<uint64_t>(results));
    if (epilogue == Epilogue::kLogits)
      compare<float>("gemm", shape, y.as<float>(), reference, results, 1e-4);
    else
      compare("gemm", shape, y.data, epilogue == Epilogue::kSiluMul ? gated : reference, results,
              tolerance);
  }

  void compare(const char* family, const std::string& shape, const void* y, const Buffer& reference,
               size_t count, double tolerance) {
    with_type([&]<class T>(T*) {
      compare<T>(family, shape, static_cast<const T*>(y), reference, count, tolerance);
    });
  }

  // tolerance: of the largest difference, relative to the largest result.
  template <class T>
  void compare(const char* family, const std::string& shape, const T* y, const Buffer& reference,
               size_t count, double tolerance) {
    Buffer worst(8);
    CHECK_CUDA(cudaMemsetAsync(worst.data, 0, 8, stream_.handle));
    launch(plain_, grid(), compare_kernel<T>, worst.as<uint32_t>(), y,
           static_cast<const float*>(reference.data), static_cast<uint64_t>(count));
    float found[2];
    CHECK_CUDA(cudaStreamSynchronize(stream_.handle));
    CHECK_CUDA(cudaMemcpy(found, worst.data, 8, cudaMemcpyDeviceToHost));
    const double difference{found[0]}, largest{found[1]};
    report({family, shape, largest > 0 && difference <= tolerance * largest, difference, largest});
  }

  // A graph of so many launches runs once more before the first event, so that the device is busy
  // while the host asks for what is timed: nothing of the host's is in the time.
  Time time(int launches, const std::function<void(int)>& enqueue) {
    cudaEvent_t begin, end;
    const Recorded recorded(stream_.handle, [&] {
      for (int i = 0; i < launches; ++i) enqueue(i);
    });
    CHECK_CUDA(cudaEventCreateWithFlags(&begin, 0));
    CHECK_CUDA(cudaEventCreateWithFlags(&end, 0));
    std::vector<double> times;
    const int graphs = tiny_ ? 1 : 3;
    for (int i = 0; i < (tiny_ ? 2 : 12); ++i) {
      recorded.launch();
      CHECK_CUDA(cudaEventRecord(begin, stream_.handle));
      for (int k = 0; k < graphs; ++k) recorded.launch();
      CHECK_CUDA(cudaEventRecord(end, stream_.handle));
      CHECK_CUDA(cudaEventSynchronize(end));
      float milliseconds = 0;
      CHECK_CUDA(cudaEventElapsedTime(&milliseconds, begin, end));
      // The first warms up.
      if (i > 0) times.push_back(double{milliseconds} * 1e3 / (launches * graphs));
    }
    cudaEventDestroy(begin), cudaEventDestroy(end);
    std::sort(times.begin(), times.end());
    return {times.front(), times[times.size() / 2]};
  }

  void report(const CaseResult& r) {
    ok_ = ok_ && r.right;
    print(
        "{\"kernel\": \"%s\", \"shape\": \"%s\", \"right\": %s, \"largest_difference\": %.3g, "
        "\"largest\": %.3g}",
        r.kernel.c_str(), r.shape.c_str(), r.right ? "true" : "false", r.largest_difference,
        r.largest);
  }

  // cublas_us: what cuBLAS takes for the same; 0: it was not asked.
  void report(const char* family, const std::string& shape, const Time& t, double bytes,
              double operations, double cublas_us = 0, std::string more = "") {
    const double gbs = bytes / t.best / 1e3, tflops = operations / t.best / 1e6;
    if (cublas_us > 0)
      more += format(", \"cublas_us\": %.2f, \"speed_over_cublas\": %.3f", cublas_us,
                     cublas_us / t.best);
    print(
        "{\"kernel\": \"%s\", \"shape\": \"%s\", \"us\": %.2f, \"us_median\": %.2f, \"gb_per_s\": "
        "%.1f, \"tflop_per_s\": %.2f%s}",
        family, shape.c_str(), t.best, t.median, gbs, tflops, more.c_str());
  }

  template <class... Args>
  void print(const char* pattern, Args... args) const {
    options_.print(format(pattern, args...));
  }

  LaunchShape grid() const {
    return {.grid = dim3(static_cast<unsigned>(tiny_ ? 2 : stream_.num_sms * 8)),
            .threads = kThreads};
  }

  template <class Body>
  void with_type(Body&& body) const {
    if (dtype_ == DType::kF16)
      body(static_cast<__half*>(nullptr));
    else
      body(static_cast<__nv_bfloat16*>(nullptr));
  }

  void fill(uint16_t* to, size_t count, uint32_t seed, float scale) {
    with_type([&]<class T>(T*) {
      launch(plain_, grid(), fill_kernel<T>, reinterpret_cast<T*>(to), static_cast<uint64_t>(count),
             seed, scale);
    });
  }

  // Activations: made at the first use, larger when a larger case comes.
  Rows rows_of(std::pair<std::unique_ptr<Buffer>, size_t>& place, int rows, int columns) {
    const size_t bytes = static_cast<size_t>(rows) * static_cast<size_t>(columns) * 2;
    if (place.second < bytes) {
      CHECK_CUDA(cudaStreamSynchronize(stream_.handle));
      place = {std::make_unique<Buffer>(bytes), bytes};
    }
    return {place.first->data, columns, rows, columns};
  }

  const Options& options_;
  const bool tiny_;
  const DType dtype_;
  StreamRef stream_,
      plain_;  // the same stream; the benchmark's own kernels know nothing of dependent launch
  Model model_;
  bool ok_ = true;
  std::pair<std::unique_ptr<Buffer>, size_t> x_, qkv_, attended_;
};

}  // namespace

bool run(const Options& options) {
  const std::map<std::string, void (Bench::*)()> families = {
      {"ceilings", &Bench::ceilings}, {"cases", &Bench::cases},     {"gemm", &Bench::gemm},
      {"decode", &Bench::decode},     {"prefill", &Bench::prefill}, {"overlap", &Bench::overlap},
      {"norm", &Bench::norm},         {"sample", &Bench::sample}};
  Bench bench(options);
  for (const std::string& family : options.families) (bench.*families.at(family))();
  return bench.ok();
}

}  // namespace ember::kernels::bench
