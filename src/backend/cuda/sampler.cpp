// SPDX-License-Identifier: Apache-2.0
#include "cuda/sampler.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "cuda/error.h"
#include "ember/base/check.h"
#include "ember/base/integers.h"

namespace ember::cuda {

namespace {

size_t words_of_mask(int vocab_size) { return ceil_div(static_cast<size_t>(vocab_size), 32); }

// Of a given token the log probability is always wanted.
int num_logprobs_of(const SamplingRow& row) {
  return std::min(row.given_token >= 0 ? std::max(row.num_logprobs, 0) : row.num_logprobs,
                  kernels::kMaxTopLogprobs);
}

size_t aligned(size_t bytes) { return (bytes + 255) / 256 * 256; }

}  // namespace

// Lists are rarely long: a few megabytes serve all rows at once. One row of the greatest length
// always fits.
Sampler::Sizes::Sizes(const SamplerLimits& limits)
    : rows(aligned(static_cast<size_t>(limits.max_rows) * sizeof(kernels::SampleRow))),
      lists(aligned((size_t{4} << 20) +
                    8 * static_cast<size_t>(std::min(limits.max_model_len, limits.vocab_size)) +
                    12 * static_cast<size_t>(limits.vocab_size))),
      mask(words_of_mask(limits.vocab_size) * sizeof(uint32_t)),
      masks(aligned(static_cast<size_t>(limits.max_rows) * mask)) {}

size_t Sampler::device_bytes(const Arena& arena, const kernels::StreamRef& queue,
                             const SamplerLimits& limits) {
  const size_t tokens = static_cast<size_t>(limits.max_rows) * sizeof(int32_t);
  return arena.rounded(Sizes(limits).block()) + 2 * arena.rounded(tokens) +
         arena.rounded(kernels::sample_workspace_bytes(queue, limits.max_rows, limits.vocab_size));
}

Sampler::Sampler(Arena& arena, const kernels::StreamRef& queue, const Stream& stream,
                 const SamplerLimits& limits)
    : queue_(queue),
      stream_(stream),
      limits_(limits),
      sizes_(limits),
      sequence_(sizeof(uint32_t)),
      counts_(static_cast<size_t>(limits.vocab_size)) {
  const size_t tokens = static_cast<size_t>(limits.max_rows) * sizeof(int32_t);
  block_ = static_cast<std::byte*>(arena.take(sizes_.block()));
  previous_ = static_cast<int32_t*>(arena.take(tokens));
  chosen_ = static_cast<int32_t*>(arena.take(tokens));
  workspace_ =
      arena.take(kernels::sample_workspace_bytes(queue, limits.max_rows, limits.vocab_size));
  std::memset(sequence_.data(), 0, sizeof(uint32_t));
  for (Slot& slot : slots_) {
    slot.block = PinnedBuffer(sizes_.block());
    slot.results = PinnedBuffer(static_cast<size_t>(limits.max_rows) * sizeof(kernels::SampledRow));
  }
}

void Sampler::launch(const Tensor& logits, std::span<const SamplingRow> rows,
                     std::span<SampledToken> out) {
  CHECK(rows.size() == out.size() && rows.size() <= static_cast<size_t>(limits_.max_rows));
  CHECK(num_launched_ - num_waited_for_ < slots_.size(),
        "more steps are in flight than there is room for");
  Slot& slot = slots_[num_launched_ % slots_.size()];
  ++num_launched_;
  slot.out = out;
  slot.num_logprobs.clear();
  for (const SamplingRow& row : rows) slot.num_logprobs.push_back(num_logprobs_of(row));

  // As many rows at a time as have room for their lists: nearly always all.
  const int count = static_cast<int>(rows.size());
  auto* const sequence = reinterpret_cast<uint32_t*>(sequence_.on_device());
  int first = 0;
  do {
    lists_used_ = 0;
    masks_used_ = 0;
    int end = first;
    while (end < count && pack(slot, rows[static_cast<size_t>(end)], end)) ++end;
    CHECK(end > first || count == 0, "the lists of one row have no room");
    launch_group(slot, logits, first, end - first, end == count ? sequence : nullptr);
    if (end < count) stream_.wait();  // the block is used again
    first = end;
  } while (first < count);
}

void Sampler::launch_group(Slot& slot, const Tensor& logits, int first, int count,
                           uint32_t* sequence) {
  const size_t begin = static_cast<size_t>(first) * sizeof(kernels::SampleRow),
               used = sizes_.rows + lists_used_ - begin;
  if (count > 0)
    CUDA_CHECK(cudaMemcpyAsync(block_ + begin, slot.block.data() + begin, used,
                               cudaMemcpyHostToDevice, stream_.get()));
  const size_t masks = sizes_.rows + sizes_.lists;
  if (masks_used_ > 0)
    CUDA_CHECK(cudaMemcpyAsync(block_ + masks, slot.block.data() + masks,
                               static_cast<size_t>(masks_used_) * sizes_.mask,
                               cudaMemcpyHostToDevice, stream_.get()));
  const std::byte* lists = block_ + sizes_.rows;
  kernels::SampleArgs args;
  args.logits = logits.as<float>() + first * logits.row_stride;
  args.stride = logits.row_stride;
  args.rows = count;
  args.vocab = limits_.vocab_size;
  args.params = reinterpret_cast<const kernels::SampleRow*>(block_) + first;
  args.lists = {.history = reinterpret_cast<const kernels::SeenToken*>(lists),
                .bias = reinterpret_cast<const kernels::TokenBias*>(lists),
                .banned = reinterpret_cast<const int32_t*>(lists),
                .masks = reinterpret_cast<const uint32_t*>(block_ + masks),
                .mask_stride = static_cast<int>(words_of_mask(limits_.vocab_size))};
  args.previous = previous_;
  args.workspace = workspace_;
  args.out = reinterpret_cast<kernels::SampledRow*>(slot.results.on_device()) + first;
  args.tokens = chosen_;
  args.first_row = first;
  args.sequence = sequence;
  args.sequence_value = num_launched_;
  kernels::sample(queue_, args);
}

std::byte* Sampler::list(Slot& slot, size_t bytes) {
  bytes = round_up(bytes, 8);  // begins are indices of elements of 4 or 8 bytes
  if (lists_used_ + bytes > sizes_.lists) return nullptr;
  std::byte* const memory = slot.block.data() + sizes_.rows + lists_used_;
  lists_used_ += bytes;
  return memory;
}

bool Sampler::pack(Slot& slot, const SamplingRow& row, int index) {
  const SamplingParams& p = *row.params;
  kernels::SampleRow packed;
  packed.num_logprobs = num_logprobs_of(row);
  packed.given_token = row.given_token;
  if (row.given_token < 0) {
    packed.seed = p.seed;
    packed.position = static_cast<uint64_t>(row.position);
    packed.temperature = p.temperature;
    packed.top_p = p.top_p;
    packed.min_p = p.min_p;
    packed.top_k = p.top_k;
    packed.repetition_penalty = p.repetition_penalty;
    packed.presence_penalty = p.presence_penalty;
    packed.frequency_penalty = p.frequency_penalty;
    packed.pending = p.has_penalties() ? row.pending : -1;
    if (!p.logit_bias.empty()) {
      packed.bias_begin = static_cast<int32_t>(lists_used_ / sizeof(kernels::TokenBias));
      packed.bias_count = static_cast<int32_t>(p.logit_bias.size());
      auto* bias = reinterpret_cast<kernels::TokenBias*>(
          list(slot, p.logit_bias.size() * sizeof(kernels::TokenBias)));
      if (bias == nullptr) return false;
      for (const auto& [token, value] : p.logit_bias) *bias++ = {token, value};
    }
    if (!row.banned.empty()) {
      packed.banned_begin = static_cast<int32_t>(lists_used_ / sizeof(int32_t));
      packed.banned_count = static_cast<int32_t>(row.banned.size());
      std::byte* const banned = list(slot, row.banned.size_bytes());
      if (banned == nullptr) return false;
      std::memcpy(banned, row.banned.data(), row.banned.size_bytes());
    }
    if (!pack_mask(slot, row, packed) || !pack_history(slot, row, packed)) return false;
  }
  reinterpret_cast<kernels::SampleRow*>(slot.block.data())[index] = packed;
  return true;
}

bool Sampler::pack_mask(Slot& slot, const SamplingRow& row, kernels::SampleRow& packed) {
  const std::vector<int32_t>& allowed = row.params->allowed_token_ids;
  if (allowed.empty() && row.mask.empty()) return true;
  packed.mask = masks_used_++;
  auto* const words = reinterpret_cast<uint32_t*>(slot.block.data() + sizes_.rows + sizes_.lists +
                                                  static_cast<size_t>(packed.mask) * sizes_.mask);
  std::fill_n(words, words_of_mask(limits_.vocab_size), allowed.empty() ? ~0u : 0);
  for (const int32_t id : allowed) words[id / 32] |= 1u << (id % 32);
  if (row.mask.empty()) return true;
  for (size_t i = 0; i < words_of_mask(limits_.vocab_size); ++i)
    words[i] &= i < row.mask.size() ? row.mask[i] : 0;
  return true;
}

// The tokens that penalties are about, each once, with how often it is in the output.
bool Sampler::pack_history(Slot& slot, const SamplingRow& row, kernels::SampleRow& packed) {
  const SamplingParams& p = *row.params;
  if (!p.has_penalties()) return true;
  const std::span<const int32_t> prompt =
      p.repetition_penalty != 1.0f ? row.prompt : std::span<const int32_t>();
  const size_t max_entries =
      std::min(prompt.size() + row.output.size() + row.draft.size(), counts_.size());
  packed.history_begin = static_cast<int32_t>(lists_used_ / sizeof(kernels::SeenToken));
  auto* const history =
      reinterpret_cast<kernels::SeenToken*>(list(slot, max_entries * sizeof(kernels::SeenToken)));
  if (history == nullptr) return false;
  constexpr int32_t kListed = -1;
  int32_t count = 0;
  for (const auto ids : {row.output, row.draft})
    for (const int32_t id : ids) ++counts_[static_cast<size_t>(id)];
  for (const auto ids : {row.output, row.draft, prompt})
    for (const int32_t id : ids) {
      int32_t& seen = counts_[static_cast<size_t>(id)];
      if (seen == kListed) continue;
      history[count++] = {id, seen};
      seen = kListed;
    }
  for (int32_t i = 0; i < count; ++i) counts_[static_cast<size_t>(history[i].token)] = 0;
  packed.history_count = count;
  return true;
}

void Sampler::wait() {
  CHECK(launched());
  const uint32_t wanted = ++num_waited_for_;
  const std::atomic_ref<uint32_t> done(*reinterpret_cast<uint32_t*>(sequence_.data()));
  const auto reached = [&] {
    return static_cast<int32_t>(done.load(std::memory_order_acquire) - wanted) >= 0;
  };
  // The device is asked now and then: after an error the word would never change.
  for (int polls = 1; !reached(); ++polls) {
    if (polls % 64 != 0) continue;
    before_call("cudaStreamQuery");
    const cudaError_t status = cudaStreamQuery(stream_.get());
    if (status != cudaErrorNotReady) after_call(status, "cudaStreamQuery");
    if (status == cudaSuccess) CHECK(reached(), "the device has ended a step without saying so");
    std::this_thread::sleep_for(std::chrono::microseconds(polls < 4096 ? 0 : 10));
  }
  const Slot& slot = slots_[(wanted - 1) % slots_.size()];
  const auto* results = reinterpret_cast<const kernels::SampledRow*>(slot.results.data());
  for (size_t i = 0; i < slot.out.size(); ++i) {
    const kernels::SampledRow& from = results[i];
    SampledToken& to = slot.out[i];
    to = {.token = from.token};
    if (slot.num_logprobs[i] < 0 || from.token < 0) continue;
    to.logprob = from.logprob;
    to.token_rank = from.rank;
    for (int k = 0; k < from.num_top; ++k)
      to.top.push_back({from.top_token[k], from.top_logprob[k]});
  }
}

}  // namespace ember::cuda
