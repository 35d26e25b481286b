// SPDX-License-Identifier: Apache-2.0
// Which drafts a step verifies.
#include <algorithm>

#include "ember/base/integers.h"
#include "ember/scheduler/ngram_draft.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

void Scheduler::propose(RequestId id, std::span<const int32_t> draft) {
  const auto found = sequences_.find(id);
  if (found != sequences_.end() && found->second->num_pending_drafts == 0)
    found->second->draft.assign(draft.begin(), draft.end());
}

// Drafts get what nobody else could use: not a place or a block that a sequence would have without
// them, whether it runs or waits.
void Scheduler::make_draft_room() {
  const auto num_seqs = static_cast<int>(running_.size() + waiting_.size());
  draft_room_ = {.places = config_.max_num_seqs - num_seqs, .blocks = pool_.num_available()};
  int num_decodes = 0;
  for (const Sequence* seq : running_) {
    draft_room_.blocks -= num_blocks_wanted(*seq);
    num_decodes += seq->decodes() ? 1 : 0;
  }
  for (const Sequence* seq : waiting_)
    draft_room_.blocks -= ceil_div(seq->num_tokens(), pool_.block_size());  // all at once
  draft_room_.marginal_share = cost_.marginal_share(num_decodes);
}

// The most that its next step allocates without drafts.
int Scheduler::num_blocks_wanted(const Sequence& seq) const {
  const int num_tokens = std::min(seq.num_uncomputed_tokens(), config_.max_num_batched_tokens);
  const int num_blocks = ceil_div(seq.num_computed_tokens + num_tokens, pool_.block_size());
  return std::max(0, num_blocks - static_cast<int>(seq.block_table.size()));
}

// As many as pay at present.
int Scheduler::num_wanted_drafts(const Sequence& seq) const {
  if (config_.num_speculative_tokens == 0 || draft_room_.places <= 0 ||
      seq.request->constraint != nullptr)
    return 0;
  return seq.draft_policy.num_drafts(draft_room_.marginal_share, config_.num_speculative_tokens);
}

// Where a sequence with drafts goes on depends on how many are accepted, and what may be drafted
// next on what was said last. Those that decode wait for it too: each step reads all weights, so
// two steps with half of them take twice as long as one with all.
bool Scheduler::waits_for_drafts() const {
  return std::ranges::any_of(running_, [this](const Sequence* seq) {
    return seq->num_pending_tokens > 0 &&
           (seq->num_pending_drafts > 0 || num_wanted_drafts(*seq) > 0);
  });
}

void Scheduler::propose_ngram(Sequence& seq) {
  if (!seq.draft.empty() || !seq.decodes() || seq.in_flight > 0) return;
  const int num_drafts = num_wanted_drafts(seq);
  if (num_drafts > 0) ngram_draft(seq.tokens, num_drafts, seq.draft);
}

// How many of the proposed tokens its step verifies: as many as there is room for anyway.
int Scheduler::take_drafts(const Sequence& seq, const Budget& budget) {
  if (seq.draft.empty() || !seq.decodes() || seq.in_flight > 0 ||
      seq.request->constraint != nullptr)
    return 0;
  const int own_blocks = static_cast<int>(seq.block_table.size()) + num_blocks_wanted(seq);
  const int free_positions =
      (own_blocks + std::max(0, draft_room_.blocks)) * pool_.block_size() - seq.num_tokens();
  const int num_drafts =
      std::max(0, std::min({static_cast<int>(seq.draft.size()), budget.tokens - 1, budget.rows - 1,
                            draft_room_.places, free_positions,
                            seq.request->max_tokens - seq.num_output_tokens() - 1}));
  const int num_blocks = ceil_div(seq.num_tokens() + num_drafts, pool_.block_size());
  draft_room_.blocks -= std::max(0, num_blocks - own_blocks);
  draft_room_.places -= num_drafts;
  return num_drafts;
}

}  // namespace ember
