// SPDX-License-Identifier: Apache-2.0
// Who runs in the next step, and how many tokens of each: continuous batching over a paged cache.
//
// One rule replaces prefill and decode: a sequence has num_tokens and num_computed_tokens, and a
// step computes some of the difference. Whoever has all computed but one gets one more token out of
// it. Chunked prefill, prefix hits and resuming after a preemption are the same subtraction.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "ember/base/result.h"
#include "ember/cache/block_pool.h"
#include "ember/scheduler/request.h"
#include "ember/scheduler/sequence.h"
#include "ember/scheduler/step_cost.h"

namespace ember {

enum class SchedulingPolicy : uint8_t { kFcfs, kPriority };

struct SchedulerConfig {
  int max_num_batched_tokens =
      2048;  // of one step; at least max_num_seqs, so that every running sequence gets its token
  int max_num_seqs = 256;         // running at once
  int max_num_logit_rows = 256;   // of one step; at least max_num_seqs
  int max_model_len = 0;          // tokens of one sequence
  int max_num_queued_reqs = 512;  // beyond those running
  int max_in_flight = 1;          // steps launched and not committed, 1 or 2
  SchedulingPolicy policy = SchedulingPolicy::kFcfs;
  Duration ageing = std::chrono::seconds(
      30);  // under the priority policy, who has waited for so long goes before everybody else
  // While answers are running, prompts get as much of a step as keeps it about so short, or twice
  // as long as the answers alone take, by what commit() was told of earlier steps; zero: all that
  // fits.
  Duration step_time_target{};
  // Draft tokens that ngram_draft() may propose for a sequence and step; 0: none.
  int num_speculative_tokens = 0;
};

// What a sequence does in a step.
struct ScheduledSequence {
  Sequence* seq = nullptr;
  int first_position = 0;  // computes tokens first_position .. first_position + num_tokens - 1
  int num_tokens = 0;
  // Wants the logits of num_logit_rows positions from here on. The last num_sampled of them are its
  // last tokens' and sampled from; the others give the log probability of the prompt token that
  // follows.
  int first_row_position = 0;
  int num_logit_rows = 0;
  int num_sampled = 0;
  // Its last tokens that are drafts: num_sampled is one more.
  int num_draft_tokens = 0;
  // Logit row of the step before that samples its last token, when that is not committed yet.
  int pending_row = -1;

  bool is_sampled(int row) const { return row >= num_logit_rows - num_sampled; }
};

struct Step {
  uint64_t id = 0;
  std::vector<ScheduledSequence> seqs;  // decodes first
  int num_tokens = 0;
  int num_decode_tokens = 0;  // of them: of answers, drafts included
  int num_logit_rows = 0;
  // A constrained sequence samples in it whose last token is pending: what it may choose is known
  // when the step before is committed, and only then may this one sample.
  bool samples_after_commit = false;
};

struct SchedulerStats {
  int num_running = 0;
  int num_waiting = 0;
  int num_blocks = 0;
  int num_used_blocks = 0;  // referenced by sequences
  // Since the start:
  uint64_t prefix_cache_queries = 0;  // prompt tokens looked up
  uint64_t prefix_cache_hits = 0;     // of them, found
  uint64_t num_preemptions = 0;
  uint64_t num_drafts = 0;  // verified in a step of a sequence, some tokens each
  uint64_t num_draft_tokens = 0;
  uint64_t num_accepted_tokens = 0;  // of them
};

// A pure state machine: no clock, no thread, no tensor. Used by one thread.
class Scheduler {
 public:
  // `pool` must outlive it and be used by nobody else.
  Scheduler(const SchedulerConfig& config, BlockPool& pool);
  ~Scheduler();

  // kInvalid: the request could never finish, even alone ("context_length_exceeded" among others).
  // kBusy ("queue_full").
  Result<void> submit(RequestRef request, TimePoint now);
  // Ends it with kCancelled; its blocks are free at once, or when the steps in flight that use them
  // are committed. False: unknown.
  bool cancel(RequestId id);
  // Ends everything at once, whatever is in flight. Steps scheduled before must not be committed
  // any more.
  void abort_all(FinishReason reason);

  // Tokens that may follow those the sequence has, to be verified in its next step together with
  // the token that follows. As many are taken as the step's limits and the free blocks allow; it
  // preempts nobody for them. They replace what was proposed before and are forgotten when the
  // sequence gains a token or is preempted. Ignored for an unknown id, and not used for a
  // constrained sequence or while a step of the sequence is in flight.
  void propose(RequestId id, std::span<const int32_t> draft);

  // The next step; empty `seqs` when nothing can run now. Valid until it is committed. Sequences
  // past their deadline end first. May be called while earlier steps are in flight, up to
  // max_in_flight.
  const Step& schedule(TimePoint now);
  // `sampled` has one entry per logit row of the step. Of a sequence's sampled rows the first is
  // accepted, and each further one as long as the draft token before it is what was sampled; the
  // rest is as if it had not been computed. Steps are committed in the order in which they were
  // scheduled. `took`: how long the device computed it, zero: not known.
  void commit(const Step& step, std::span<const SampledToken> sampled, Duration took = {});

  // Appends what happened since the last call, oldest first.
  void take_events(std::vector<TokenOutput>& out);

  bool has_work() const { return !running_.empty() || !waiting_.empty(); }
  SchedulerStats stats() const;
  // Of all sequences: those that run, then those that wait, each in the order in which they go.
  std::vector<SequenceTrace> traces() const;
  // CHECKs what must hold between any two calls, see src/scheduler/README.md. Slow: for tests.
  void check_invariants() const;

 private:
  using Order = std::vector<Sequence*>;  // sorted by Sequence::before

  struct Budget {
    int tokens, rows;
  };
  // What the steps' drafts may take: what nobody else could use in that step.
  struct DraftRoom {
    int places = 0;  // a draft is a sequence of its own to the device, which takes max_num_seqs
    int blocks = 0;
    double marginal_share = 1;  // as StepCost's, of the sequences that decode
  };
  // What a step's sampled rows add to a sequence.
  struct Accepted {
    int num_rows = 0;    // that were looked at; what the others computed is rolled back
    int num_tokens = 0;  // new ones; one less than rows when the last row gave none
    FinishReason finish = FinishReason::kNone;
  };

  void check_invariants(const Sequence& seq) const;
  void limit_prefills(Budget& budget) const;
  void make_draft_room();
  int num_blocks_wanted(const Sequence& seq) const;
  int num_wanted_drafts(const Sequence& seq) const;
  bool waits_for_drafts() const;
  void propose_ngram(Sequence& seq);
  void expire(TimePoint now);
  void age(TimePoint now);
  void schedule_running(Budget& budget, bool decodes, TimePoint now);
  void schedule_waiting(Budget& budget, TimePoint now);
  void count_wait(const Budget& budget);
  bool plan(Sequence& seq, Budget& budget, TimePoint now);
  bool get_blocks(Sequence& seq, int num_tokens);
  Sequence* victim_for(const Sequence& seq) const;
  void preempt(Sequence& seq);
  bool admit(Sequence& seq);
  int take_drafts(const Sequence& seq, const Budget& budget);
  void commit_part(const ScheduledSequence& part, std::span<const SampledToken> rows);
  Accepted accept(const ScheduledSequence& part, std::span<const SampledToken> sampled);
  void roll_back(Sequence& seq, int num_tokens);
  void publish_full_blocks(Sequence& seq, int num_committed);
  void emit_token(Sequence& seq, const SampledToken& sampled);
  TokenOutput& emit(Sequence& seq);
  void finish(Sequence& seq, FinishReason reason);
  void retire(Sequence& seq);
  bool wants_more(const Sequence& seq) const;

  const SchedulerConfig config_;
  BlockPool& pool_;
  std::unordered_map<RequestId, std::unique_ptr<Sequence>> sequences_;
  Order running_, waiting_;
  std::vector<std::unique_ptr<Sequence>> finished_;  // still in flight
  std::vector<Step> steps_;                          // reused in turn
  Step* step_ = nullptr;                             // being built
  bool short_of_blocks_ = false;                     // somebody who runs, in the step being built
  std::vector<TokenOutput> events_;
  uint64_t num_submitted_ = 0, num_steps_ = 0;
  SchedulerStats totals_;
  StepCost cost_;
  DraftRoom draft_room_;  // in the step being built
};

}  // namespace ember
