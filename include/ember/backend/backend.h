// What a device can do: memory, a dozen operations, and a way to repeat a sequence of them.
//
// One Backend is one device (one rank), used by one thread. Tensors passed to operations lie in this backend's memory;
// operations may run asynchronously, in the order called, until wait(). Activations have activation_dtype(); rows beyond
// Tensor::shape[0] are never read or written. Every row's result depends on that row (and its sequence's cache) alone,
// bit for bit: not on how many rows or sequences share the call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ember/base/sampling.h"
#include "ember/base/tensor.h"

namespace ember {

struct MemoryInfo {
  size_t free_bytes = 0;
  size_t total_bytes = 0;
};

// A matrix prepared by make_linear: y[t, out] = sum_in x[t, in] * weight[out, in] + bias[out]. Lives as long as the backend.
struct Linear {
  int64_t in_features = 0;
  int64_t out_features = 0;
  const void* impl = nullptr;
};

struct AttentionSpec {
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  float scale = 0;          // multiplies q.k
  int window = 0;           // a query at position p sees keys at positions > p - window; 0: all up to p
  int rotary_dim = 0;       // the first rotary_dim of head_dim are rotated
  bool interleaved = false; // rotated pairs are (2i, 2i+1) instead of (i, i + rotary_dim/2)
};

// The variant chosen for a spec by make_attention.
struct AttentionOp {
  AttentionSpec spec;
  const void* impl = nullptr;
};

// The paged cache of one layer, in a layout of the backend's own.
struct KvLayer {
  Tensor k, v;
};

struct KvCacheSpec {
  int num_layers = 0;
  int num_blocks = 0;
  int block_size = 0;  // tokens
  int num_kv_heads = 0;
  int head_dim = 0;
};

// One step's batch: T tokens of S sequences in a ragged row, R rows of which want logits. All int32, in device memory
// (on the CPU: the host's). Sequence s owns tokens q_starts[s] .. q_starts[s+1]-1, the last of its kv_lens[s] positions.
struct BatchView {
  int num_tokens = 0, num_seqs = 0, num_logit_rows = 0;
  int max_q_len = 0, max_kv_len = 0;
  Tensor token_ids;     // [T]
  Tensor positions;     // [T]
  Tensor slots;         // [T] block id * block_size + offset: where the token's K and V go
  Tensor q_starts;      // [S+1]
  Tensor kv_lens;       // [S] positions in the cache after this step, this step's tokens included
  Tensor block_tables;  // [S, max blocks of a sequence]; entries past a sequence's last block are undefined
  Tensor logit_rows;    // [R] indices into the tokens, ascending
};

// How row i of the logits becomes a token.
struct SamplingRow {
  const SamplingParams* params = nullptr;
  std::span<const int32_t> prompt;  // for penalties
  std::span<const int32_t> output;  // for penalties
  int64_t position = 0;             // of the token to be chosen: the counter of the random draw
  int32_t given_token = -1;         // >= 0: not sampled, its log probability is wanted (prompt_logprobs)
  int num_logprobs = -1;            // -1: none; 0: of the chosen token; n: and of the n most likely
  std::span<const int32_t> banned;  // ids that must not be chosen (stop ids before min_tokens)
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string describe() const = 0;  // one line for the log: device, instruction set or architecture, threads
  virtual MemoryInfo memory() const = 0;
  virtual DType activation_dtype() const = 0;
  virtual int max_in_flight() const = 0;  // steps that may be launched before the first is waited for

  // Zeroed, aligned for every operation, freed with the backend.
  virtual Tensor allocate(DType dtype, std::initializer_list<int64_t> shape) = 0;
  // Copies `bytes` of host memory to the start of a tensor, before any operation called later. The memory may be reused at once.
  virtual void write(Tensor to, const void* from, size_t bytes) = 0;
  // A copy of a host tensor (F32, F16, BF16), e.g. a norm's weight, as activation_dtype or float32, whichever ops read.
  virtual Tensor upload(const Tensor& host) = 0;

  // Stacks row-blocks into one matrix: weights[i] is [out_i, in] in host memory (16-bit stays 16-bit), biases is empty or has
  // one entry per weight, itself empty or [out_i]. Throws StartError naming what exists where there is no variant.
  virtual Linear make_linear(std::span<const Tensor> weights, std::span<const Tensor> biases) = 0;
  virtual size_t linear_bytes(DType dtype, int64_t out_features, int64_t in_features) const = 0;
  virtual AttentionOp make_attention(const AttentionSpec& spec) = 0;
  virtual size_t kv_block_bytes(const KvCacheSpec& spec) const = 0;  // of one block over all layers
  virtual std::vector<KvLayer> make_kv_cache(const KvCacheSpec& spec) = 0;

  // y[t, :] = row ids[t] of the matrix, in_features wide.
  virtual void embed(Tensor y, const Linear& table, Tensor ids) = 0;
  // y = x / sqrt(mean(x^2) + eps) * w, row by row; y may be x.
  virtual void rms_norm(Tensor y, Tensor x, Tensor w, float eps) = 0;
  // residual += x; y = rms_norm(residual). y may be x.
  virtual void add_rms_norm(Tensor y, Tensor residual, Tensor x, Tensor w, float eps) = 0;
  virtual void linear(Tensor y, Tensor x, const Linear& w) = 0;
  // qkv rows are [num_heads | num_kv_heads | num_kv_heads] * head_dim. Normalises each q and k head in place; weights [head_dim].
  virtual void qk_norm(Tensor qkv, Tensor q_weight, Tensor k_weight, float eps, const AttentionOp& op) = 0;
  // Rotates q and k in place and writes k and v to the cache. cos_sin: float [positions, rotary_dim], row p holds
  // rotary_dim/2 cosines, then as many sines.
  virtual void rope_and_store(Tensor qkv, Tensor cos_sin, KvLayer kv, const BatchView& b, const AttentionOp& op) = 0;
  // y[t, num_heads * head_dim] = causal attention of qkv's queries over the cached keys and values of their sequence.
  virtual void attention(Tensor y, Tensor qkv, KvLayer kv, const BatchView& b, const AttentionOp& op) = 0;
  // y[t, i] = silu(gate_up[t, i]) * gate_up[t, n + i], n = columns of y.
  virtual void silu_mul(Tensor y, Tensor gate_up) = 0;
  virtual void gather_rows(Tensor y, Tensor x, Tensor rows) = 0;
  // Sum over ranks, in rank order. One rank: nothing.
  virtual void all_reduce(Tensor x) = 0;
  // Fills out[i] for each row i of float logits [rows, vocab] (which it may overwrite); valid after wait().
  virtual void sample(Tensor logits, std::span<const SamplingRow> rows, std::span<SampledToken> out) = 0;

  // Runs body, which calls operations only. A device that can records it under the key and replays it next time.
  virtual void run(int key, const std::function<void()>& body) = 0;
  virtual void wait() = 0;
};

}  // namespace ember
