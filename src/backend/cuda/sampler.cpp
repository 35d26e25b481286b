// SPDX-License-Identifier: Apache-2.0
#include "cuda/sampler.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>
#include <utility>

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

size_t aligned(size_t bytes) { return round_up(bytes, size_t{256}); }

size_t seen_bytes(const SamplerLimits& limits) {
  return static_cast<size_t>(limits.max_seqs) *
         static_cast<size_t>(kernels::seen_stride(limits.vocab_size)) * sizeof(uint32_t);
}

}  // namespace

// Lists are rarely long, but many long prompts may come from the prefix cache in one step. One row
// of the greatest length always fits.
Sampler::Sizes::Sizes(const SamplerLimits& limits)
    : rows(aligned(static_cast<size_t>(limits.max_rows) * sizeof(kernels::SampleRow))),
      updates(aligned(static_cast<size_t>(limits.max_seqs) * sizeof(kernels::SeenUpdate))),
      lists(aligned(
          (size_t{4} << 20) + 12 * static_cast<size_t>(limits.vocab_size) +
          sizeof(int32_t) * static_cast<size_t>(limits.max_model_len) +
          std::min(size_t{16} << 20, sizeof(int32_t) * static_cast<size_t>(limits.max_seqs) *
                                         static_cast<size_t>(limits.max_model_len)))),
      mask(words_of_mask(limits.vocab_size) * sizeof(uint32_t)),
      masks(aligned(static_cast<size_t>(limits.max_rows) * mask)) {}

size_t Sampler::device_bytes(const Arena& arena, const kernels::StreamRef& queue,
                             const SamplerLimits& limits) {
  const size_t tokens = static_cast<size_t>(limits.max_rows) * sizeof(int32_t);
  return 2 * arena.rounded(Sizes(limits).block()) + 2 * arena.rounded(tokens) +
         arena.rounded(seen_bytes(limits)) +
         arena.rounded(kernels::sample_workspace_bytes(queue, limits.max_rows, limits.vocab_size));
}

Sampler::Sampler(Arena& arena, const kernels::StreamRef& queue, const Stream& stream,
                 const SamplerLimits& limits)
    : queue_(queue),
      stream_(stream),
      limits_(limits),
      sizes_(limits),
      sequence_(sizeof(uint32_t)),
      seen_rows_(static_cast<size_t>(limits.max_seqs)) {
  const size_t tokens = static_cast<size_t>(limits.max_rows) * sizeof(int32_t);
  previous_ = static_cast<int32_t*>(arena.take(tokens));
  chosen_ = static_cast<int32_t*>(arena.take(tokens));
  seen_ = static_cast<uint32_t*>(arena.take(seen_bytes(limits)));
  workspace_ =
      arena.take(kernels::sample_workspace_bytes(queue, limits.max_rows, limits.vocab_size));
  std::memset(sequence_.data(), 0, sizeof(uint32_t));
  for (Slot& slot : slots_) {
    slot.block = PinnedBuffer(sizes_.block());
    slot.on_device = static_cast<std::byte*>(arena.take(sizes_.block()));
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

  updates_at_ = sizes_.masks + aligned(rows.size() * sizeof(kernels::SampleRow));
  lists_at_ =
      updates_at_ + aligned(std::min(rows.size(), seen_rows_.size()) * sizeof(kernels::SeenUpdate));
  num_masks_ = num_masks_sent_ = 0;
  for (const SamplingRow& row : rows) {
    num_masks_ = std::max(num_masks_, index_of_mask(slot, row) + 1);
    // First: who comes takes the place of who has gone.
    if (!row.params->has_penalties()) continue;
    if (const auto known = seen_row_of_.find(row.sequence); known != seen_row_of_.end())
      seen_rows_[static_cast<size_t>(known->second)].last_launch = num_launched_;
  }

  // As many rows at a time as have room for their lists: nearly always all.
  const int count = static_cast<int>(rows.size());
  auto* const sequence = reinterpret_cast<uint32_t*>(sequence_.on_device());
  int first = 0;
  do {
    lists_used_ = 0;
    num_updates_ = 0;
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
  const auto send = [&](size_t begin, size_t end) {
    if (end > begin)
      CUDA_CHECK(cudaMemcpyAsync(slot.on_device + begin, slot.block.data() + begin, end - begin,
                                 cudaMemcpyHostToDevice, copies_.get()));
  };
  const std::byte* lists = slot.on_device + lists_at_;
  const auto* ids = reinterpret_cast<const int32_t*>(lists);
  const size_t rows_at = sizes_.masks + static_cast<size_t>(first) * sizeof(kernels::SampleRow);
  if (count > 0)
    send(rows_at, lists_used_ > 0 || num_updates_ > 0
                      ? lists_at_ + lists_used_
                      : rows_at + static_cast<size_t>(count) * sizeof(kernels::SampleRow));
  send(static_cast<size_t>(std::exchange(num_masks_sent_, num_masks_)) * sizes_.mask,
       static_cast<size_t>(num_masks_) * sizes_.mask);
  if (count > 0) {
    copied_.record(copies_);
    copied_.hold(stream_);
  }
  if (num_updates_ > 0)
    kernels::update_seen(
        queue_,
        {.seen = seen_,
         .vocab = limits_.vocab_size,
         .updates = reinterpret_cast<const kernels::SeenUpdate*>(slot.on_device + updates_at_),
         .count = num_updates_,
         .ids = ids});
  kernels::SampleArgs args;
  args.logits = logits.as<float>() + first * logits.row_stride;
  args.stride = logits.row_stride;
  args.rows = count;
  args.vocab = limits_.vocab_size;
  args.params = reinterpret_cast<const kernels::SampleRow*>(slot.on_device + sizes_.masks) + first;
  args.lists = {.seen = seen_,
                .bias = reinterpret_cast<const kernels::TokenBias*>(lists),
                .ids = ids,
                .masks = reinterpret_cast<const uint32_t*>(slot.on_device),
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
  std::byte* const memory = slot.block.data() + lists_at_ + lists_used_;
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
    if (!pack_ids(slot, row.banned, packed.banned_begin, packed.banned_count)) return false;
    if (p.has_penalties() && !pack_seen(slot, row, packed)) return false;
    pack_mask(slot, row, packed);
  }
  reinterpret_cast<kernels::SampleRow*>(slot.block.data() + sizes_.masks)[index] = packed;
  return true;
}

bool Sampler::pack_ids(Slot& slot, std::span<const int32_t> ids, int32_t& begin, int32_t& count) {
  if (ids.empty()) return true;
  begin = static_cast<int32_t>(lists_used_ / sizeof(int32_t));
  count = static_cast<int32_t>(ids.size());
  std::byte* const memory = list(slot, ids.size_bytes());
  if (memory != nullptr) std::memcpy(memory, ids.data(), ids.size_bytes());
  return memory != nullptr;
}

// Sends what the device has not seen of the sequence: all of it once, then a token in each step.
bool Sampler::pack_seen(Slot& slot, const SamplingRow& row, kernels::SampleRow& packed) {
  if (!pack_ids(slot, row.draft, packed.draft_begin, packed.draft_count)) return false;
  const auto found = seen_row_of_.find(row.sequence);
  const bool known = found != seen_row_of_.end();  // never 0, which is nobody in particular
  packed.seen = known ? found->second : -1;
  const auto output =
      row.output.subspan(known ? seen_rows_[static_cast<size_t>(packed.seen)].num_output : 0);
  if (known && output.empty()) return true;
  const bool with_prompt = !known && row.params->repetition_penalty != 1.0f;
  const auto prompt = with_prompt ? row.prompt : std::span<const int32_t>();
  const auto begin = static_cast<int32_t>(lists_used_ / sizeof(int32_t));
  auto* const ids =
      reinterpret_cast<int32_t*>(list(slot, prompt.size_bytes() + output.size_bytes()));
  if (ids == nullptr) return false;
  if (!known) packed.seen = take_seen_row(row.sequence);
  std::ranges::copy(output, std::ranges::copy(prompt, ids).out);
  seen_rows_[static_cast<size_t>(packed.seen)].num_output += output.size();
  reinterpret_cast<kernels::SeenUpdate*>(slot.block.data() + updates_at_)[num_updates_++] = {
      .row = packed.seen,
      .clear = known ? 0 : 1,
      .ids_begin = begin,
      .num_prompt = static_cast<int32_t>(prompt.size()),
      .num_output = static_cast<int32_t>(output.size())};
  return true;
}

// From the sequence that has not been sampled for the longest time.
int Sampler::take_seen_row(uint64_t sequence) {
  const auto oldest = std::ranges::max_element(
      seen_rows_, {}, [&](const Seen& seen) { return num_launched_ - seen.last_launch; });
  CHECK(oldest->last_launch != num_launched_, "more sequences in a step than there may be");
  const auto row = static_cast<int>(oldest - seen_rows_.begin());
  if (const auto owner = seen_row_of_.find(oldest->sequence);
      owner != seen_row_of_.end() && owner->second == row)
    seen_row_of_.erase(owner);
  *oldest = {.sequence = sequence, .last_launch = num_launched_};
  if (sequence != 0) seen_row_of_[sequence] = row;
  return row;
}

// In the slot's own memory, where mask_memory() lies; else -1.
int Sampler::index_of_mask(const Slot& slot, const SamplingRow& row) const {
  const auto* data = reinterpret_cast<const std::byte*>(row.mask.data());
  const std::less<> before;
  if (row.mask.empty() || before(data, slot.block.data()) ||
      !before(data, slot.block.data() + sizes_.masks))
    return -1;
  return static_cast<int>(static_cast<size_t>(data - slot.block.data()) / sizes_.mask);
}

void Sampler::pack_mask(Slot& slot, const SamplingRow& row, kernels::SampleRow& packed) {
  const std::vector<int32_t>& allowed = row.params->allowed_token_ids;
  if (allowed.empty() && row.mask.empty()) return;
  const int given = index_of_mask(slot, row);
  packed.mask = given >= 0 ? given : num_masks_++;
  const std::span<uint32_t> words =
      masks_of(slot).subspan(static_cast<size_t>(packed.mask) * words_of_mask(limits_.vocab_size),
                             words_of_mask(limits_.vocab_size));
  if (given < 0) {
    const auto mask = row.mask.first(std::min(row.mask.size(), words.size()));
    std::fill(std::ranges::copy(mask, words.begin()).out, words.end(), mask.empty() ? ~0u : 0u);
  }
  if (allowed.empty()) return;
  auto id = allowed.begin();
  for (size_t i = 0; i < words.size(); ++i) {
    uint32_t bits = 0;
    for (; id != allowed.end() && static_cast<size_t>(*id) / 32 == i; ++id)
      bits |= 1u << (*id % 32);
    words[i] &= bits;
  }
}

std::span<uint32_t> Sampler::masks_of(const Slot& slot) const {
  return {reinterpret_cast<uint32_t*>(slot.block.data()),
          static_cast<size_t>(limits_.max_rows) * words_of_mask(limits_.vocab_size)};
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
