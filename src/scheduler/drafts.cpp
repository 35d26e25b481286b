// SPDX-License-Identifier: Apache-2.0
// Which drafts a step verifies.
#include <algorithm>

#include "ember/scheduler/ngram_draft.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

void Scheduler::propose(RequestId id, std::span<const int32_t> draft) {
  const auto found = sequences_.find(id);
  if (found != sequences_.end() && found->second->num_pending_drafts == 0)
    found->second->draft.assign(draft.begin(), draft.end());
}

// As many as pay at present.
int Scheduler::num_wanted_drafts(const Sequence& seq) const {
  if (config_.num_speculative_tokens == 0 || seq.request->constraint != nullptr) return 0;
  const auto num_decodes = static_cast<int>(running_.size());
  return seq.draft_policy.num_drafts(cost_.marginal_share(num_decodes),
                                     config_.num_speculative_tokens);
}

void Scheduler::propose_ngram(Sequence& seq) {
  if (!seq.decodes() || seq.in_flight > 0) return;
  const int num_drafts = num_wanted_drafts(seq);
  if (num_drafts > 0) ngram_draft(seq.tokens, num_drafts, seq.draft);
}

// How many of the proposed tokens its step verifies: as many as there is room for anyway.
int Scheduler::num_drafts_for(const Sequence& seq, const Budget& budget) const {
  if (seq.draft.empty() || !seq.decodes() || seq.in_flight > 0 ||
      seq.request->constraint != nullptr)
    return 0;
  const int free_positions =
      (static_cast<int>(seq.block_table.size()) + pool_.num_available()) * pool_.block_size() -
      seq.num_tokens();
  const int num_drafts = std::min({static_cast<int>(seq.draft.size()), budget.tokens - 1,
                                   budget.rows - 1, budget.drafts, free_positions,
                                   seq.request->max_tokens - seq.num_output_tokens() - 1});
  return std::max(0, num_drafts);
}

}  // namespace ember
