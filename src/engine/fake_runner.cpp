// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/fake_runner.h"

#include <fmt/format.h>

#include <bit>
#include <stdexcept>
#include <thread>

#include "ember/base/splitmix64.h"

namespace ember {

namespace {

uint64_t hash_of(std::span<const int32_t> tokens, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325u ^ seed;  // FNV-1a over the ids, then a finalizer
  for (const int32_t token : tokens) hash = (hash ^ static_cast<uint32_t>(token)) * 0x100000001b3u;
  return mix_bits(hash);
}

}  // namespace

int32_t FakeRunner::next_token(std::span<const int32_t> tokens, uint64_t seed, int32_t vocab_size) {
  return static_cast<int32_t>(hash_of(tokens, seed) % static_cast<uint64_t>(vocab_size));
}

int32_t FakeRunner::next_token(std::span<const int32_t> tokens, uint64_t seed,
                               std::span<const uint32_t> mask) {
  uint64_t num_set = 0;
  for (const uint32_t word : mask) num_set += static_cast<uint64_t>(std::popcount(word));
  if (num_set == 0) return -1;
  uint64_t skip = hash_of(tokens, seed) % num_set;
  for (int32_t id = 0;; ++id)
    if ((mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1) != 0 && skip-- == 0) return id;
}

void FakeRunner::launch(const Step& step) {
  if (!step.samples_after_commit) sample(step);
}

void FakeRunner::sample(const Step& step) {
  std::vector<SampledToken> sampled(static_cast<size_t>(step.num_logit_rows));
  rows_.assign(sampled.size(), {});
  masks_.begin(step, rows_).finish();
  size_t row = 0;
  for (const ScheduledSequence& part : step.seqs) {
    std::vector<int32_t> tokens = part.seq->tokens;
    const auto num_known =
        static_cast<size_t>(part.first_position + part.num_tokens - part.num_draft_tokens);
    if (part.pending_row >= 0 && tokens.size() < num_known)
      tokens.push_back(launched_.back().at(static_cast<size_t>(part.pending_row)).token);
    tokens.insert(tokens.end(), part.seq->draft.begin(),
                  part.seq->draft.begin() + part.num_draft_tokens);
    const SamplingParams& sampling = part.seq->request->sampling;
    const uint64_t seed =
        sampling.temperature > 0 ? sampling.seed : 0;  // greedy answers do not depend on it
    for (int i = 0; i < part.num_logit_rows; ++i) {
      const auto end = static_cast<size_t>(part.first_row_position + i) + 1;
      const std::span<const uint32_t> mask = rows_[row].mask;
      const std::span<const int32_t> before = std::span(tokens).first(end);
      SampledToken& out = sampled[row++];
      if (!part.is_sampled(i))
        out.token = tokens.at(end);
      else
        out.token =
            mask.empty() ? next_token(before, seed, vocab_size_) : next_token(before, seed, mask);
    }
  }
  if (num_waited_for_ > 0) {
    launched_.pop_front();
    --num_waited_for_;
  }
  launched_.push_back(std::move(sampled));
}

std::span<const SampledToken> FakeRunner::wait() {
  if (++num_steps_ == fault_.step) {
    if (!fault_.hangs) throw std::runtime_error(fmt::format("the fault of step {}", num_steps_));
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
  if (step_time_ > Duration::zero()) std::this_thread::sleep_for(step_time_);
  return launched_.at(num_waited_for_++);
}

}  // namespace ember
