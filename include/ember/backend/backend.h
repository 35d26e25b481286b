// SPDX-License-Identifier: Apache-2.0
// What a device can do: memory, a dozen operations, and a way to repeat a sequence of them.
//
// One Backend is one device (one rank). One thread makes, uses and destroys it. Tensors passed to
// operations lie in this backend's memory; operations may run asynchronously, in the order called,
// until wait(). Activations have activation_dtype(); rows beyond Tensor::shape[0] are never read or
// written. Which bits depend on the rows that share a call is said by row_invariance().
// Every call may throw DeviceError; after that the backend can only be destroyed.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ember/backend/weight_view.h"
#include "ember/base/sampling.h"
#include "ember/base/tensor.h"

namespace ember {

struct MemoryInfo {
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  bool dedicated = false;  // the device's own; else other programs of the host live in it too
};

// A row's result depends on that row (and its sequence's cache) alone, bit for bit, in every call
// with at most max_rows rows; in a call with more rows it may depend on how many there are.
struct RowInvariance {
  static constexpr int kAnyNumber = std::numeric_limits<int>::max();
  int max_rows = kAnyNumber;

  bool exact() const { return max_rows == kAnyNumber; }
};

// Which part of a matrix each rank has. An operation on a matrix that is split by inputs sums over
// the ranks; one on a matrix that is split by vocabulary gathers from them: embed gives every rank
// its rows, linear gives all columns to rank 0 alone, whose y is the only one that counts. One rank
// has all of every matrix.
enum class Split : uint8_t { kNone, kOutputs, kInputs, kVocab };

// How the ranks divide a matrix, and its sums. Where a backend promises bits that do not depend on
// the number of ranks, the sum over the inputs is a balanced tree of leaves, neighbouring inputs
// each: the same ones however many ranks share them.
struct Partition {
  Split split = Split::kNone;
  std::vector<int64_t> leaf_ends;  // of this rank's inputs, at most 8; empty: one leaf
  int64_t leaf_unit = 0;  // all leaves, those of others too, begin at multiples of it; 0: one leaf
};

// A matrix prepared by make_linear: y[t, out] = scale * (sum_in x[t, in] * weight[out, in] +
// bias[out]). make_linear makes a scale of 1, and copies may have others: a matrix that is used
// twice is prepared once. Lives as long as the backend.
struct Linear {
  int64_t in_features = 0;
  int64_t out_features = 0;
  const void* impl = nullptr;
  float scale = 1;
};

// What a gated product does with its gates g: silu(g) = g / (1 + exp(-g)), or
// gelu(g) = g/2 (1 + tanh(sqrt(2/pi) (g + 0.044715 g^3))).
enum class Gate : uint8_t { kSilu, kGeluTanh };

struct AttentionSpec {
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  float scale = 0;     // multiplies q.k
  float softcap = 0;   // then s becomes softcap * tanh(s / softcap); 0: it stays
  int window = 0;      // a query at position p sees keys at positions > p - window; 0: all up to p
  int rotary_dim = 0;  // the first rotary_dim of head_dim are rotated; 0: none
  bool interleaved = false;  // rotated pairs are (2i, 2i+1) instead of (i, i + rotary_dim/2)

  bool operator==(const AttentionSpec&) const = default;
};

// The variant chosen for a spec by make_attention.
struct AttentionOp {
  AttentionSpec spec;
  const void* impl = nullptr;
};

// RMSNorm of each query head and each key head; weights [head_dim], empty: none.
struct QkNorm {
  Tensor q_weight, k_weight;
  float eps = 0;
};

// The paged cache of one layer, in a layout of the backend's own. Lives as long as the backend.
struct KvLayer {
  const void* impl = nullptr;
};

struct KvCacheSpec {
  int num_layers = 0;
  int num_blocks = 0;
  int block_size = 0;  // tokens
  int num_kv_heads = 0;
  int head_dim = 0;
};

// The largest step, for what a device prepares beside tensors.
struct StepLimits {
  int max_tokens = 0, max_seqs = 0, max_logit_rows = 0, max_model_len = 0;
  int64_t vocab_size = 0, max_in_features = 0;  // the latter: of any linear layer
  int64_t summed_features = 0;  // outputs of a layer whose sums several ranks share; 0: of none
  size_t written_bytes = 0;     // by write(), in one step
  std::vector<AttentionSpec> attention;  // each distinct one
};

// Batches of one shape take the same operations, whatever their values: num_seqs sequences, each
// with q_len tokens of its answer, all of which want logits.
struct BatchShape {
  int num_seqs = 0, q_len = 0;

  int num_tokens() const { return num_seqs * q_len; }
  auto operator<=>(const BatchShape&) const = default;
};

// One step's batch: T tokens of S sequences in a ragged row, R rows of which want logits. All
// int32, in device memory (on the CPU: the host's). Sequence s owns tokens q_starts[s] ..
// q_starts[s+1]-1, the last of its kv_lens[s] positions. A batch with a shape may be padded: tokens
// with id 0, position 0 and slot -1 that belong to no sequence, sequences with kv_len 0, logit rows
// -1. What is computed for padding is never looked at.
struct BatchView {
  int num_tokens = 0, num_seqs = 0, num_logit_rows = 0;
  // The first so many sequences have one token each, which was sampled: no part of a prompt.
  int num_decodes = 0;
  int max_q_len = 0, max_kv_len = 0;
  std::optional<BatchShape> shape;  // one of Backend::repeatable_shapes(); nullopt: none of them
  Tensor token_ids;                 // [T]; -1 - i: the token sampled for row i of the step before
  Tensor positions;                 // [T]
  Tensor slots;     // [T] block id * block_size + offset: where the token's K and V go; -1: nowhere
  Tensor q_starts;  // [S+1]
  Tensor kv_lens;   // [S] positions in the cache after this step, this step's tokens included
  Tensor block_tables;  // [S, max blocks of a sequence]; entries past a sequence's last block are
                        // undefined
  Tensor logit_rows;    // [R] indices into the tokens, ascending
};

// How row i of the logits becomes a token.
struct SamplingRow {
  const SamplingParams* params = nullptr;
  // Names the sequence for as long as the backend lives: its parameters and prompt never change,
  // and its output only grows. 0: nothing need be remembered of it.
  uint64_t sequence = 0;
  std::span<const int32_t> prompt;  // for penalties
  std::span<const int32_t> output;  // for penalties
  std::span<const int32_t> draft;   // for penalties: proposed tokens that are more of the output
  int32_t pending =
      -1;  // >= 0: the token sampled for this row of the step before is one more of the output
  int64_t position = 0;      // of the token to be chosen: the counter of the random draw
  int32_t given_token = -1;  // >= 0: not sampled, its log probability is wanted (prompt_logprobs)
  int num_logprobs = -1;     // -1: none; 0: of the chosen token; n: and of the n most likely
  std::span<const int32_t> banned;  // ids that must not be chosen (stop ids before min_tokens)
  std::span<const uint32_t> mask;  // bit i % 32 of word i / 32 set: id i may be chosen, others (and
                                   // ids beyond it) not; empty: all may
};

class Backend {
 public:
  virtual ~Backend() = default;

  // One line for the log: device, instruction set or architecture, threads.
  virtual std::string describe() const = 0;
  virtual bool is_gpu() const = 0;  // so made for many tokens at once, whoever owns its memory
  virtual MemoryInfo memory() const = 0;
  virtual DType activation_dtype() const = 0;
  virtual RowInvariance row_invariance() const = 0;
  virtual int block_size() const = 0;  // tokens of a KV block; 0: any number
  // Steps that may be launched before the first is waited for: 1 or 2.
  virtual int max_in_flight() const = 0;

  // Memory. The plan (engine/memory_plan.h) adds up these sizes, so they are exact.
  virtual size_t tensor_bytes(
      DType dtype, std::initializer_list<int64_t> shape) const = 0;  // that allocate() takes
  // What make_linear() takes for views of these shapes.
  virtual size_t linear_bytes(std::span<const WeightShape> weights, bool bias) const = 0;
  virtual size_t kv_block_bytes(const KvCacheSpec& spec) const = 0;  // of one block over all layers
  virtual size_t step_bytes(const StepLimits& limits) const = 0;     // that prepare() takes
  // Before anything is allocated: all that will be, so that a device takes it at once. More is a
  // bug from then on.
  virtual void reserve(size_t bytes) = 0;
  // After all weights are made and before the first step: workspaces and staging for steps up to
  // these limits.
  virtual void prepare(const StepLimits& limits) = 0;
  // From here on nothing is allocated any more; that would be a bug. Throws StartError when the
  // device's library has taken so much memory that it may lack some later.
  virtual void seal() = 0;

  // Zeroed, aligned for every operation, freed with the backend.
  virtual Tensor allocate(DType dtype, std::initializer_list<int64_t> shape) = 0;
  // Copies `bytes` of host memory to the start of a tensor, after the operations called before and
  // before those called later. The memory may be reused at once.
  virtual void write(Tensor to, const void* from, size_t bytes) = 0;
  // The same with the first `columns` of each row of a matrix; the host's rows are as far apart.
  virtual void write_columns(Tensor to, const void* from, int64_t columns) = 0;
  // A copy of a host tensor (F32, F16, BF16; at any address), e.g. a norm's weight, as
  // activation_dtype or float32, whichever ops read.
  virtual Tensor upload(const Tensor& host) = 0;

  // Whether make_linear takes weights of this format; plain numbers may still have to be of one
  // type.
  virtual bool takes(WeightFormat format) const { return dtype_of(format).has_value(); }
  // Stacks the weights' rows into one matrix: all have the same columns, each its own format.
  // biases is empty or has one entry per weight, itself empty or [rows]. The weights are this
  // rank's part; biases of what is split by inputs are whole, and added once. gated: for
  // linear_gated only, the first half of the rows are the gates. The host's memory may be reused at
  // once. Throws StartError naming what exists where there is no variant.
  virtual Linear make_linear(std::span<const WeightView> weights, std::span<const Tensor> biases,
                             const Partition& partition, bool gated = false) = 0;
  virtual AttentionOp make_attention(const AttentionSpec& spec) = 0;
  virtual std::vector<KvLayer> make_kv_cache(const KvCacheSpec& spec) = 0;

  // y[t, :] = scale * row ids[t] of the matrix, in_features wide. ids[t] < 0: the token that the
  // last sample() chose for its row -1 - ids[t]; zeros where that is no token.
  virtual void embed(Tensor y, const Linear& table, Tensor ids) = 0;
  // y = x / sqrt(mean(x^2) + eps) * w, row by row; y may be x. An empty w is no norm: y = x. So
  // below.
  virtual void rms_norm(Tensor y, Tensor x, Tensor w, float eps) = 0;
  // residual += x; y = rms_norm(residual). y may be x.
  virtual void add_rms_norm(Tensor y, Tensor residual, Tensor x, Tensor w, float eps) = 0;
  virtual void linear(Tensor y, Tensor x, const Linear& w) = 0;
  // residual += linear(input); x = rms_norm(residual), with the weights `norm`. The three tensors
  // differ.
  virtual void linear_add_norm(Tensor x, Tensor residual, Tensor input, const Linear& w,
                               Tensor norm, float eps) = 0;
  // y[t, i] = gate(g[t, i]) * g[t, n + i], g = linear(x), n = columns of y. `scratch`, 2n columns,
  // is overwritten.
  virtual void linear_gated(Tensor y, Tensor x, const Linear& w, Tensor scratch, Gate gate) = 0;
  // qkv rows are [num_heads | num_kv_heads | num_kv_heads] * head_dim. Normalises q and k heads if
  // `norm` has weights, rotates them in place and writes k and v to the cache. cos_sin: float
  // [positions, rotary_dim], row p holds rotary_dim/2 cosines, then as many sines; empty without
  // rotation.
  virtual void rope_and_store(Tensor qkv, const QkNorm& norm, Tensor cos_sin, KvLayer kv,
                              const BatchView& b, const AttentionOp& op) = 0;
  // y[t, num_heads * head_dim] = causal attention of qkv's queries over the cached keys and values
  // of their sequence.
  virtual void attention(Tensor y, Tensor qkv, KvLayer kv, const BatchView& b,
                         const AttentionOp& op) = 0;
  // x[i] = cap * tanh(x[i] / cap), in place, of float32 rows.
  virtual void softcap(Tensor x, float cap) = 0;
  // Of several ranks: whole[t] = the ranks' rows part[t] side by side. Where that is more than
  // whole's columns, ranks that follow each other have the same part, which counts once.
  virtual void gather_columns(Tensor whole, Tensor part) = 0;
  // y[i] = x[rows[i]]; negative: y[i] stays.
  virtual void gather_rows(Tensor y, Tensor x, Tensor rows) = 0;
  // Host memory for the masks of the step that sample() ends next, one after the other: what lies
  // here need not be copied. Valid until that sample(). Empty: masks may lie anywhere.
  virtual std::span<uint32_t> mask_memory() { return {}; }
  // Ends a step: fills out[i] for each row i of float logits [rows, vocab] (which it may
  // overwrite); valid after the wait() that belongs to it. `rows` and what it points to may be
  // reused at once, `out` not. Also called for a step without rows.
  virtual void sample(Tensor logits, std::span<const SamplingRow> rows,
                      std::span<SampledToken> out) = 0;

  // Runs body, which calls operations on the batch only. What it does for a batch with a shape may
  // be recorded, and done again without calling it for the next batch of that shape at the same
  // addresses.
  virtual void run(const BatchView& batch, const std::function<void()>& body) = 0;
  // Shapes of the batches that run() records, those with fewer sequences first: steps are padded up
  // to them. Empty: none. After prepare().
  virtual std::span<const BatchShape> repeatable_shapes() const = 0;
  // Numbers of tokens of a step, ascending, that together make the device do all that it does when
  // it is first used: load kernels, compile them, take memory for them. Whoever wants no such thing
  // after seal() runs and samples a step of each, and a step of decodes. Empty: there is nothing.
  // After prepare().
  virtual std::span<const int> first_uses() const = 0;
  // Blocks until the oldest step whose sample() was not waited for is done; without any, until
  // everything called is done.
  virtual void wait() = 0;
};

}  // namespace ember
