// SPDX-License-Identifier: Apache-2.0
// The invariants that README.md names.
#include <algorithm>

#include "ember/base/check.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

void Scheduler::check_invariants() const {
  std::vector<const std::vector<int32_t>*> tables;
  size_t num_running = 0;
  for (const auto& [id, seq] : sequences_) {
    CHECK(id == seq->request->id && seq->state != SequenceState::kFinished, "one-place");
    const bool running = seq->state == SequenceState::kRunning;
    const Order& order = running ? running_ : waiting_;
    CHECK(std::count(order.begin(), order.end(), seq.get()) == 1, "one-place");
    num_running += running ? 1 : 0;
    check_invariants(*seq);
    tables.push_back(&seq->block_table);
  }
  CHECK(running_.size() == num_running && running_.size() + waiting_.size() == sequences_.size(),
        "one-place");
  for (const auto& seq : finished_) {
    CHECK(seq->state == SequenceState::kFinished && seq->in_flight > 0, "finished-is-in-flight");
    tables.push_back(&seq->block_table);
  }
  CHECK(running_.size() <= static_cast<size_t>(config_.max_num_seqs), "within-limits");
  CHECK(std::ranges::is_sorted(running_, Sequence::before) &&
            std::ranges::is_sorted(waiting_, Sequence::before),
        "ordered");
  pool_.check_invariants(tables);
}

void Scheduler::check_invariants(const Sequence& seq) const {
  const bool running = seq.state == SequenceState::kRunning;
  const int size = pool_.block_size();
  CHECK(running || (seq.block_table.empty() && seq.num_computed_tokens == 0 && seq.in_flight == 0),
        "waiting-owns-nothing");
  CHECK(seq.num_computed_tokens <= seq.num_tokens() &&
            seq.num_output_tokens() <= seq.request->max_tokens,
        "computed-is-known");
  CHECK(seq.num_tokens() <= config_.max_model_len && seq.in_flight <= config_.max_in_flight,
        "within-limits");
  CHECK(!running ||
            static_cast<int>(seq.block_table.size()) == (seq.num_computed_tokens + size - 1) / size,
        "blocks-cover-computed");
  CHECK(seq.prefixes.size() <= seq.block_table.size() &&
            seq.prefixes.size() * static_cast<size_t>(size) <= seq.tokens.size(),
        "published-is-committed");
  CHECK(seq.num_pending_drafts == 0 ||
            (running && seq.in_flight == 1 && seq.num_output_tokens() > 0 &&
             seq.num_pending_tokens == seq.num_pending_drafts + 1),
        "drafts-run-alone");
}

}  // namespace ember
