// SPDX-License-Identifier: Apache-2.0
// A model whose answers show every mistake of the cache: what it says is a hash of all the K/V
// cells that it reads through the block table, and a cell holds a hash of everything before it. A
// stale, foreign or wrongly shared block changes the text.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "ember/base/splitmix64.h"
#include "ember/cache/block_pool.h"
#include "ember/scheduler/scheduler.h"

namespace ember::test {

// Thrown instead of an assertion so that the caller can add the trace of what led there.
inline void expect(bool condition, const std::string& message) {
  if (!condition) throw std::runtime_error(message);
}

inline uint64_t mix(uint64_t a, uint64_t b) {
  return mix_bits(a * kSplitMix64Step ^ (b + 0x7f4a7c15u));
}

inline constexpr int kVocab = 2;
inline constexpr int kNanIn = 53;  // one token in so many is a NaN

// What lies before the first cell: no two tenants or salts may see the same.
inline uint64_t start_of(const Request& r) {
  uint64_t h = r.cache_scope.tenant.size() + 1;
  for (const char c : r.cache_scope.tenant + "/" + r.cache_scope.salt)
    h = mix(h, static_cast<uint64_t>(c));
  return h;
}

// Allows everything and remembers what it was told.
class Witness final : public TokenConstraint {
 public:
  State state() const override { return State::kOpen; }
  const std::vector<int32_t>& accepted() const { return accepted_; }

 private:
  void accept(int32_t token) override { accepted_.push_back(token); }
  void fill_mask(std::span<uint32_t> words) override { std::fill(words.begin(), words.end(), ~0u); }

  std::vector<int32_t> accepted_;
};

class WitnessSource final : public ConstraintSource {
 public:
  std::unique_ptr<TokenConstraint> start() const override { return std::make_unique<Witness>(); }
};

inline float logprob_of(uint64_t sum) { return -static_cast<float>(sum % 1000) / 100; }

inline SampledToken sample_of(const Request& r, uint64_t sum) {
  const uint64_t h = mix(sum, r.sampling.seed);
  SampledToken s{.token = static_cast<int32_t>(h % kVocab), .logprob = logprob_of(sum)};
  if ((h >> 8) % kNanIn == 0) s.token = -1;
  return s;
}

// The whole answer of one request run alone: no blocks, no batches, no cache.
struct Answer {
  std::vector<int32_t> tokens;
  std::vector<float> prompt_logprobs;
  FinishReason finish = FinishReason::kNone;
};

inline Answer run_alone(const Request& r) {
  Answer answer;
  std::vector<int32_t> all = r.prompt;
  uint64_t cell = start_of(r), sum = 0;
  for (size_t p = 0; answer.finish == FinishReason::kNone; ++p) {
    cell = mix(cell, static_cast<uint64_t>(all[p]));
    sum = mix(sum, cell);
    if (p + 1 < r.prompt.size()) {
      if (r.prompt_logprobs) answer.prompt_logprobs.push_back(logprob_of(sum));
      continue;
    }
    if (r.max_tokens == 0) {
      answer.finish = FinishReason::kLength;
      break;
    }
    const int32_t token = sample_of(r, sum).token;
    if (token < 0) {
      answer.finish =
          r.constraint ? FinishReason::kConstraintFailed : FinishReason::kNumericalError;
      break;
    }
    all.push_back(token);
    answer.tokens.push_back(token);
    const auto made = static_cast<int>(answer.tokens.size());
    if ((made > r.min_tokens || r.constraint) &&
        std::find(r.stop_token_ids.begin(), r.stop_token_ids.end(), token) !=
            r.stop_token_ids.end())
      answer.finish = FinishReason::kStop;
    else if (made == r.max_tokens)
      answer.finish = FinishReason::kLength;
  }
  return answer;
}

// The device: executes a step when it is launched. Its results are read later, as with steps in
// flight.
class FakeModel {
 public:
  explicit FakeModel(const BlockPool& pool)
      : pool_(pool),
        cells_(static_cast<size_t>(pool.num_blocks()) * static_cast<size_t>(pool.block_size())) {}

  std::vector<SampledToken> launch(const Step& step) {
    std::vector<SampledToken> rows;
    for (const ScheduledSequence& part : step.seqs) run(part, rows);
    if (!step.samples_after_commit) sample(step);
    return rows;
  }
  // Of a launched step with samples_after_commit, when the step before is committed: what its
  // constrained sequences may choose is asked for. Each constraint follows the committed tokens,
  // each of which it saw once, and nothing is sampled ahead of them.
  void sample(const Step& step) {
    for (const ScheduledSequence& part : step.seqs)
      if (part.num_sampled > 0 && part.seq->request->constraint != nullptr &&
          part.seq->state != SequenceState::kFinished)
        check_constraint(*part.seq);
  }
  void forget(RequestId id) { tokens_.erase(id); }
  // Of the block's first cell: names all tokens up to it.
  uint64_t value_of(int32_t block) const {
    return cells_[static_cast<size_t>(block * pool_.block_size())].value;
  }

 private:
  struct Cell {
    uint32_t generation =
        0;  // of its block when it was written; blocks are handed out as 1 at first
    int position = -1;
    uint64_t value = 0;
  };

  Cell& cell(const Sequence& seq, int position) {
    const int size = pool_.block_size();
    const int32_t block = seq.block_table.at(static_cast<size_t>(position / size));
    return cells_[static_cast<size_t>(block * size + position % size)];
  }

  uint64_t read(const Sequence& seq, int position) {
    const Cell& c = cell(seq, position);
    const int32_t block = seq.block_table[static_cast<size_t>(position / pool_.block_size())];
    expect(pool_.num_refs(block) > 0,
           fmt::format("request {} reads block {}, which is free", seq.request->id, block));
    expect(c.generation == pool_.generation(block) && c.position == position,
           fmt::format("request {} reads position {} in block {}: the cell holds position {} of "
                       "generation {}, the block has {}",
                       seq.request->id, position, block, c.position, c.generation,
                       pool_.generation(block)));
    return c.value;
  }

  void write(const Sequence& seq, int position, uint64_t value) {
    const int32_t block = seq.block_table.at(static_cast<size_t>(position / pool_.block_size()));
    expect(!pool_.is_published(block) && pool_.num_refs(block) == 1,
           fmt::format("request {} writes position {} to block {}, which is shared or published",
                       seq.request->id, position, block));
    Cell& c = cell(seq, position);
    expect(c.generation != pool_.generation(block),
           fmt::format("request {} writes position {} twice", seq.request->id, position));
    c = {pool_.generation(block), position, value};
  }

  void run(const ScheduledSequence& part, std::vector<SampledToken>& rows) {
    const Sequence& seq = *part.seq;
    std::vector<int32_t>& known = known_tokens(seq);
    if (part.num_draft_tokens > 0) {
      expect(known == seq.tokens,
             fmt::format("request {}: a draft behind a token that is pending", seq.request->id));
      known.insert(known.end(), seq.draft.begin(), seq.draft.begin() + part.num_draft_tokens);
    }
    for (int p = part.first_position; p < part.first_position + part.num_tokens; ++p) {
      expect(static_cast<size_t>(p) < known.size(),
             fmt::format("request {}: token {} is not known yet", seq.request->id, p));
      const auto i = static_cast<size_t>(p);
      expect(i >= seq.tokens.size() || seq.tokens[i] == known[i],
             fmt::format("request {}: token {} changed", seq.request->id, p));
      write(
          seq, p,
          mix(p == 0 ? start_of(*seq.request) : read(seq, p - 1), static_cast<uint64_t>(known[i])));
    }
    for (int row = 0; row < part.num_logit_rows; ++row) add_row(part, row, known, rows);
    if (part.num_draft_tokens > 0)
      verify(part, std::span(rows).last(static_cast<size_t>(part.num_sampled)), known);
  }

  // Prompt and output, as far as the device knows them.
  std::vector<int32_t>& known_tokens(const Sequence& seq) {
    const auto [entry, first_seen] = tokens_.try_emplace(seq.request->id, seq.request->prompt);
    if (first_seen)
      entry->second.insert(entry->second.end(), seq.request->progress.output.begin(),
                           seq.request->progress.output.end());
    return entry->second;
  }

  // Keeps the tokens of the rows up to the first that differs from its draft. What was written for
  // the drafts behind it counts as never written.
  void verify(const ScheduledSequence& part, std::span<const SampledToken> sampled,
              std::vector<int32_t>& known) {
    const Sequence& seq = *part.seq;
    known = seq.tokens;
    int num_kept = 0;
    do {
      known.push_back(sampled[static_cast<size_t>(num_kept)].token);
    } while (num_kept++ < part.num_draft_tokens &&
             known.back() == seq.draft[static_cast<size_t>(num_kept) - 1]);
    for (int p = part.first_position + num_kept; p < part.first_position + part.num_tokens; ++p)
      cell(seq, p) = {};
  }

  void add_row(const ScheduledSequence& part, int row, std::vector<int32_t>& known,
               std::vector<SampledToken>& rows) {
    const Sequence& seq = *part.seq;
    const int position = part.first_row_position + row;
    const int end = part.first_position + part.num_tokens;
    expect(position >= part.first_position && position < end, "a logit row outside of the step");
    uint64_t sum = 0;
    for (int q = 0; q <= position; ++q) sum = mix(sum, read(seq, q));
    if (part.is_sampled(row)) {
      rows.push_back(sample_of(*seq.request, sum));
      if (part.num_draft_tokens == 0) known.push_back(rows.back().token);
    } else {
      rows.push_back(
          {.token = known.at(static_cast<size_t>(position) + 1), .logprob = logprob_of(sum)});
    }
  }

  void check_constraint(Sequence& seq) {
    const std::vector<int32_t>& known = known_tokens(seq);  // with the one just sampled
    expect(std::equal(seq.tokens.begin(), seq.tokens.end(), known.begin(), known.end() - 1),
           fmt::format("request {}: sampled ahead of a constraint", seq.request->id));
    uint32_t word = 0;
    if (seq.constraint == nullptr) seq.constraint = seq.request->constraint->start();
    seq.constraint->next_mask(seq.output(), {&word, 1});
    const std::vector<int32_t>& accepted = static_cast<const Witness&>(*seq.constraint).accepted();
    expect(std::equal(accepted.begin(), accepted.end(), seq.output().begin(), seq.output().end()),
           fmt::format("request {}: the constraint saw other tokens", seq.request->id));
  }

  const BlockPool& pool_;
  std::vector<Cell> cells_;
  std::map<RequestId, std::vector<int32_t>>
      tokens_;  // as the device knows them: ahead of the host by what is in flight
};

}  // namespace ember::test
