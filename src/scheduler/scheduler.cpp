// SPDX-License-Identifier: Apache-2.0
#include "ember/scheduler/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "ember/base/check.h"
#include "ember/base/integers.h"

namespace ember {

namespace {

// A model may have no token that ends an answer: then a complete one ends because nothing may
// follow.
FinishReason reason_for_no_token(const Sequence& seq) {
  if (seq.request->constraint == nullptr) return FinishReason::kNumericalError;
  const bool done =
      seq.constraint != nullptr && seq.constraint->state() == TokenConstraint::State::kDone;
  return done ? FinishReason::kStop : FinishReason::kConstraintFailed;
}

// Of a sequence that has just got a token.
FinishReason reason_to_finish(const Sequence& seq) {
  const std::vector<int32_t>& stops = seq.request->stop_token_ids;
  const bool may_stop =
      seq.num_output_tokens() > seq.request->min_tokens || seq.request->constraint != nullptr;
  if (may_stop && std::binary_search(stops.begin(), stops.end(), seq.tokens.back()))
    return FinishReason::kStop;
  return seq.num_output_tokens() >= seq.request->max_tokens ? FinishReason::kLength
                                                            : FinishReason::kNone;
}

void insert(std::vector<Sequence*>& order, Sequence* seq) {
  order.insert(std::upper_bound(order.begin(), order.end(), seq, Sequence::before), seq);
}

}  // namespace

Scheduler::Scheduler(const SchedulerConfig& config, BlockPool& pool)
    : config_(config), pool_(pool) {
  CHECK(config.max_num_seqs >= 1 && config.max_in_flight >= 1 && config.max_model_len >= 1);
  CHECK(config.max_in_flight <= 2, "a pending token is that of the step before");
  CHECK(config.max_num_batched_tokens >= config.max_num_seqs &&
        config.max_num_logit_rows >= config.max_num_seqs);
  steps_.resize(static_cast<size_t>(config.max_in_flight) + 1);
  for (Step& step : steps_) step.seqs.reserve(static_cast<size_t>(config.max_num_seqs));
  running_.reserve(static_cast<size_t>(config.max_num_seqs));
}

Scheduler::~Scheduler() = default;

Result<void> Scheduler::submit(RequestRef shared, TimePoint now) {
  const Request& request = *shared;
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  const int64_t length = prompt + request.max_tokens;
  if (prompt == 0) return invalid("prompt", "the prompt has no tokens");
  if (request.max_tokens < 0)
    return invalid("max_tokens",
                   fmt::format("max_tokens is {}, must be at least 0", request.max_tokens));
  if (length > config_.max_model_len)
    return invalid("max_tokens",
                   fmt::format("{} prompt tokens and {} of output exceed the context of {}", prompt,
                               request.max_tokens, config_.max_model_len),
                   "context_length_exceeded");
  if (const auto done = static_cast<int64_t>(request.progress.output.size());
      done > 0 && done >= request.max_tokens)
    return invalid("progress",
                   fmt::format("{} tokens of output are there already, max_tokens is {}", done,
                               request.max_tokens));
  // The last token of the output is never an input, so its K and V are not kept.
  const int64_t stored = std::max(prompt, length - 1);
  if (stored > int64_t{pool_.num_blocks()} * pool_.block_size())
    return invalid("max_tokens",
                   fmt::format("{} tokens exceed the KV cache of {}", stored,
                               int64_t{pool_.num_blocks()} * pool_.block_size()),
                   "context_length_exceeded");
  if (sequences_.size() >=
      static_cast<size_t>(config_.max_num_seqs) + static_cast<size_t>(config_.max_num_queued_reqs))
    return Error{ErrorKind::kBusy, "the queue is full", "", "queue_full"};
  CHECK(!sequences_.contains(request.id), "request id {} is in use", request.id);

  auto seq = std::make_unique<Sequence>();
  seq->arrival = num_submitted_++;
  seq->priority_key = config_.policy == SchedulingPolicy::kPriority ? request.priority : 0;
  seq->tokens.reserve(static_cast<size_t>(length));
  seq->tokens = request.prompt;
  seq->tokens.insert(seq->tokens.end(), request.progress.output.begin(),
                     request.progress.output.end());
  seq->num_prompt_logprobs = request.progress.num_prompt_logprobs;
  const auto blocks = static_cast<size_t>(ceil_div(static_cast<int>(stored), pool_.block_size()));
  seq->block_table.reserve(blocks);
  seq->prefixes.reserve(blocks);
  seq->arrival_time = request.arrival == TimePoint{} ? now : request.arrival;
  seq->request = std::move(shared);
  seq->trace.num_running_before = static_cast<int>(running_.size());
  seq->trace.num_waiting_before = static_cast<int>(waiting_.size());
  insert(waiting_, seq.get());
  sequences_[request.id] = std::move(seq);
  return {};
}

bool Scheduler::cancel(RequestId id) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return false;
  finish(*found->second, FinishReason::kCancelled);
  return true;
}

void Scheduler::abort_all(FinishReason reason) {
  while (!sequences_.empty()) {
    Sequence& seq = *sequences_.begin()->second;
    seq.in_flight = 0;
    finish(seq, reason);
  }
  for (const auto& seq : finished_) pool_.release_all(seq->block_table);
  finished_.clear();
}

const Step& Scheduler::schedule(TimePoint now) {
  expire(now);
  age(now);
  step_ = &steps_[num_steps_ % steps_.size()];
  step_->id = num_steps_;
  step_->seqs.clear();
  step_->num_tokens = step_->num_decode_tokens = step_->num_logit_rows = 0;
  step_->samples_after_commit = false;
  short_of_blocks_ = false;
  Budget budget{config_.max_num_batched_tokens, config_.max_num_logit_rows};
  make_draft_room();
  if (!waits_for_drafts()) schedule_running(budget, true, now);
  step_->num_decode_tokens = step_->num_tokens;
  limit_prefills(budget);
  schedule_running(budget, false, now);
  schedule_waiting(budget, now);
  count_wait(budget);
  if (!step_->seqs.empty()) ++num_steps_;
  return *step_;
}

// What is left of a step's tokens when the decodes are in it is for prompts. One that runs alone,
// or beside other prompts only, may take all.
void Scheduler::limit_prefills(Budget& budget) const {
  if (config_.step_time_target == Duration{}) return;
  const auto decodes = [](const Sequence* seq) { return seq->decodes(); };  // or in flight
  const int num_decodes = step_->num_decode_tokens;
  if (num_decodes == 0 && std::ranges::none_of(running_, decodes)) return;
  const double target = std::chrono::duration<double>(config_.step_time_target).count();
  budget.tokens = std::min(budget.tokens, cost_.prefill_tokens_within(target, num_decodes));
}

void Scheduler::expire(TimePoint now) {
  for (const Order* order : {&running_, &waiting_})
    for (size_t i = order->size(); i-- > 0;) {
      Sequence& seq = *(*order)[i];
      if (seq.request->deadline <= now)
        finish(seq, FinishReason::kDeadline);
      else if (seq.scheduled == TimePoint{} && seq.request->start_deadline <= now)
        finish(seq, FinishReason::kQueueTimeout);
    }
}

// Without this a stream of urgent requests would starve the others.
void Scheduler::age(TimePoint now) {
  constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
  if (config_.policy != SchedulingPolicy::kPriority) return;
  bool changed = false;
  for (Sequence* seq : waiting_)
    if (seq->priority_key != kFirst && now - seq->arrival_time >= config_.ageing) {
      seq->priority_key = kFirst;
      changed = true;
    }
  if (changed) std::sort(waiting_.begin(), waiting_.end(), Sequence::before);
}

bool Scheduler::wants_more(const Sequence& seq) const {
  const bool all_sampled =
      seq.num_output_tokens() + seq.num_pending_tokens >= seq.request->max_tokens;
  const int last =
      all_sampled ? std::max(seq.num_prompt_tokens(), seq.num_tokens() - 1) : seq.num_tokens();
  return seq.num_computed_tokens < last;
}

void Scheduler::schedule_running(Budget& budget, bool decodes, TimePoint now) {
  for (size_t i = 0; i < running_.size() && budget.tokens > 0;) {
    Sequence& seq = *running_[i];
    if (decodes) propose_ngram(seq);
    const bool planned = seq.decodes() == decodes && wants_more(seq) && plan(seq, budget, now);
    // Making room for it may have preempted the sequence itself: then the next one has moved up.
    if (planned || (i < running_.size() && running_[i] == &seq)) ++i;
  }
}

void Scheduler::schedule_waiting(Budget& budget, TimePoint now) {
  // Nobody comes in while one that runs lacks blocks: a stream of small requests would take every
  // block that becomes free.
  while (!short_of_blocks_ && !waiting_.empty() && budget.tokens > 0 && budget.rows > 0 &&
         running_.size() < static_cast<size_t>(config_.max_num_seqs)) {
    Sequence& seq = *waiting_.front();
    if (!admit(seq)) return;
    if (seq.scheduled == TimePoint{}) {
      seq.scheduled = now;
      seq.num_cached_tokens = std::min(seq.num_computed_tokens, seq.num_prompt_tokens());
      if (pool_.caching() && !seq.request->prompt_logprobs) {
        totals_.prefix_cache_queries += static_cast<uint64_t>(seq.num_prompt_tokens());
        totals_.prefix_cache_hits += static_cast<uint64_t>(seq.num_cached_tokens);
      }
    }
    CHECK(plan(seq, budget, now), "an admitted sequence has no room");
  }
}

// Counts what the first one of those left waiting lacks.
void Scheduler::count_wait(const Budget& budget) {
  if (waiting_.empty()) return;
  const bool no_slot = running_.size() >= static_cast<size_t>(config_.max_num_seqs);
  const bool no_tokens = budget.tokens <= 0 || budget.rows <= 0;
  const WaitReason reason = no_slot     ? WaitReason::kSlot
                            : no_tokens ? WaitReason::kStepTokens
                                        : WaitReason::kBlocks;
  ++waiting_.front()->trace.num_steps_waited[static_cast<int>(reason)];
}

// From waiting to running, if its present tokens find room without taking any from others.
bool Scheduler::admit(Sequence& seq) {
  // Log probabilities of the prompt need every position's logits: a cached one has none.
  const bool everything =
      seq.request->prompt_logprobs && seq.num_prompt_logprobs < seq.num_prompt_tokens() - 1;
  if (!everything)
    pool_.find_prefix(seq.request->cache_scope.root(), seq.tokens, seq.block_table, seq.prefixes);
  if (ceil_div(seq.num_tokens(), pool_.block_size()) - static_cast<int>(seq.block_table.size()) >
      pool_.num_available()) {
    pool_.release_all(seq.block_table);
    seq.prefixes.clear();
    return false;
  }
  seq.num_computed_tokens = static_cast<int>(seq.block_table.size()) * pool_.block_size();
  seq.state = SequenceState::kRunning;
  waiting_.erase(waiting_.begin());
  insert(running_, &seq);
  return true;
}

// Puts as much of the sequence into the step as the budget allows. False: no room in the cache at
// the moment.
bool Scheduler::plan(Sequence& seq, Budget& budget, TimePoint now) {
  ScheduledSequence part{.seq = &seq, .first_position = seq.num_computed_tokens};
  part.num_tokens = std::min(seq.num_uncomputed_tokens(), budget.tokens);
  part.num_draft_tokens = take_drafts(seq, budget);
  // A row for each prompt position whose successor's log probability is still wanted, and one to
  // sample from.
  part.first_row_position = part.first_position;
  int last_prompt_row = part.first_position;
  if (seq.request->prompt_logprobs) {
    part.num_tokens = std::min(part.num_tokens, budget.rows);
    part.first_row_position = std::max(part.first_position, seq.num_prompt_logprobs);
    last_prompt_row = std::min(part.first_position + part.num_tokens, seq.num_prompt_tokens() - 1);
  }
  const bool samples =
      part.first_position + part.num_tokens == seq.num_tokens() && seq.request->max_tokens > 0;
  part.num_tokens += part.num_draft_tokens;
  part.num_sampled = samples ? 1 + part.num_draft_tokens : 0;
  const int end = part.first_position + part.num_tokens;
  part.num_logit_rows = std::max(0, last_prompt_row - part.first_row_position) + part.num_sampled;
  if (samples) part.first_row_position = end - part.num_logit_rows;
  if (part.num_tokens == 0 || part.num_logit_rows > budget.rows || !get_blocks(seq, end))
    return false;

  if (seq.num_pending_tokens > 0) {
    part.pending_row = seq.pending_row;
    if (samples && seq.request->constraint != nullptr) step_->samples_after_commit = true;
  }
  seq.num_computed_tokens = end;
  seq.num_pending_tokens += part.num_sampled;
  seq.num_pending_drafts = part.num_draft_tokens;
  if (samples) seq.pending_row = step_->num_logit_rows + part.num_logit_rows - 1;
  ++seq.in_flight;
  ++seq.trace.num_steps;
  if (part.first_position < seq.num_prompt_tokens())
    ++seq.trace.num_chunks;
  else if (seq.trace.first_decode == TimePoint{})
    seq.trace.first_decode = now;
  budget.tokens -= part.num_tokens;
  budget.rows -= part.num_logit_rows;
  step_->num_tokens += part.num_tokens;
  step_->num_logit_rows += part.num_logit_rows;
  step_->seqs.push_back(part);
  return true;
}

// Blocks for the first num_tokens positions, at the cost of those who come last. False: not now; it
// may have been preempted.
bool Scheduler::get_blocks(Sequence& seq, int num_tokens) {
  const auto wanted = static_cast<size_t>(ceil_div(num_tokens, pool_.block_size()));
  while (wanted > seq.block_table.size() + static_cast<size_t>(pool_.num_available())) {
    Sequence* victim = victim_for(seq);
    short_of_blocks_ = true;
    if (victim == nullptr) return false;
    preempt(*victim);
    if (victim == &seq) return false;
  }
  while (seq.block_table.size() < wanted) seq.block_table.push_back(pool_.allocate());
  return true;
}

// The last running sequence that is not computed on at the moment, `seq` itself if it is that;
// never one that goes before it, and never the first of all. Null: wait for the steps in flight.
Sequence* Scheduler::victim_for(const Sequence& seq) const {
  for (size_t i = running_.size(); i-- > 1;) {
    if (running_[i]->in_flight == 0) return running_[i];
    if (running_[i] == &seq) return nullptr;
  }
  return nullptr;
}

void Scheduler::preempt(Sequence& seq) {
  CHECK(seq.in_flight == 0 && seq.num_pending_tokens == 0);
  seq.draft.clear();
  pool_.release_all(seq.block_table);
  seq.prefixes.clear();
  seq.num_computed_tokens = 0;
  seq.state = SequenceState::kWaiting;
  ++seq.num_preemptions;
  ++totals_.num_preemptions;
  std::erase(running_, &seq);
  insert(waiting_, &seq);
}

void Scheduler::commit(const Step& step, std::span<const SampledToken> sampled, Duration took) {
  CHECK(sampled.size() == static_cast<size_t>(step.num_logit_rows), "{} rows, {} sampled",
        step.num_logit_rows, sampled.size());
  cost_.learn({.decode_tokens = step.num_decode_tokens,
               .prefill_tokens = step.num_tokens - step.num_decode_tokens},
              std::chrono::duration<double>(took).count());
  size_t row = 0;
  for (const ScheduledSequence& part : step.seqs) {
    const auto rows = sampled.subspan(row, static_cast<size_t>(part.num_logit_rows));
    row += rows.size();
    --part.seq->in_flight;
    if (part.seq->state == SequenceState::kFinished) {
      if (part.seq->in_flight == 0) retire(*part.seq);
      continue;
    }
    commit_part(part, rows);
  }
}

// Accepts first: only then is it known which tokens there are, and which blocks they fill.
void Scheduler::commit_part(const ScheduledSequence& part, std::span<const SampledToken> rows) {
  Sequence& seq = *part.seq;
  const auto sampled = rows.last(static_cast<size_t>(part.num_sampled));
  const auto prompt_rows = rows.first(rows.size() - sampled.size());
  const Accepted accepted = accept(part, sampled);
  const int num_rejected = part.num_sampled - accepted.num_rows;
  if (num_rejected > 0) roll_back(seq, num_rejected);
  publish_full_blocks(seq, part.first_position + part.num_tokens - num_rejected);
  if (!prompt_rows.empty()) {
    emit(seq).prompt_logprobs.assign(prompt_rows.begin(), prompt_rows.end());
    seq.num_prompt_logprobs = part.first_row_position + static_cast<int>(prompt_rows.size());
  }
  for (const SampledToken& token : sampled.first(static_cast<size_t>(accepted.num_tokens)))
    emit_token(seq, token);
  if (accepted.finish != FinishReason::kNone) return finish(seq, accepted.finish);
  if (seq.request->max_tokens == 0 &&
      part.first_position + part.num_tokens == seq.num_prompt_tokens())
    finish(seq, FinishReason::kLength);
}

// Appends the tokens of the sampled rows up to the first that is not followed by its draft, or ends
// the sequence.
Scheduler::Accepted Scheduler::accept(const ScheduledSequence& part,
                                      std::span<const SampledToken> sampled) {
  Sequence& seq = *part.seq;
  Accepted accepted;
  for (const SampledToken& row : sampled) {
    ++accepted.num_rows;
    if (row.token < 0) {
      accepted.finish = reason_for_no_token(seq);
      break;
    }
    seq.tokens.push_back(row.token);
    const auto draft = static_cast<size_t>(accepted.num_tokens++);
    accepted.finish = reason_to_finish(seq);
    if (accepted.finish != FinishReason::kNone || accepted.num_tokens > part.num_draft_tokens ||
        seq.draft[draft] != row.token)
      break;
  }
  seq.num_pending_tokens -= part.num_sampled;
  if (part.num_sampled == 0) return accepted;
  seq.num_pending_drafts = 0;
  seq.draft.clear();
  const int num_accepted = std::max(0, accepted.num_tokens - 1);
  seq.draft_policy.count(part.num_draft_tokens, num_accepted);
  totals_.num_drafts += part.num_draft_tokens > 0 ? 1 : 0;
  totals_.num_draft_tokens += static_cast<uint64_t>(part.num_draft_tokens);
  totals_.num_accepted_tokens += static_cast<uint64_t>(num_accepted);
  return accepted;
}

// Forgets that the last num_tokens tokens were computed.
void Scheduler::roll_back(Sequence& seq, int num_tokens) {
  CHECK(seq.in_flight == 0, "a step behind a draft is in flight");
  seq.num_computed_tokens -= num_tokens;
  const auto kept = static_cast<size_t>(ceil_div(seq.num_computed_tokens, pool_.block_size()));
  for (; seq.block_table.size() > kept; seq.block_table.pop_back())
    pool_.release(seq.block_table.back());
}

void Scheduler::publish_full_blocks(Sequence& seq, int num_committed) {
  if (!pool_.caching()) return;
  const auto size = static_cast<size_t>(pool_.block_size());
  for (size_t i = seq.prefixes.size(); (i + 1) * size <= static_cast<size_t>(num_committed); ++i) {
    const PrefixId parent = i == 0 ? seq.request->cache_scope.root() : seq.prefixes[i - 1];
    seq.prefixes.push_back(pool_.publish(
        seq.block_table[i], parent, std::span<const int32_t>(seq.tokens).subspan(i * size, size)));
  }
}

void Scheduler::emit_token(Sequence& seq, const SampledToken& sampled) {
  TokenOutput& event = emit(seq);
  event.token = sampled.token;
  event.logprob = sampled.logprob;
  event.token_rank = sampled.token_rank;
  event.top_logprobs = sampled.top;
}

TokenOutput& Scheduler::emit(Sequence& seq) {
  TokenOutput& event = events_.emplace_back();
  event.request_id = seq.request->id;
  event.num_cached_tokens = seq.num_cached_tokens;
  if (!std::exchange(seq.first_event_sent, true)) event.scheduled = seq.scheduled;
  return event;
}

// The last event of the sequence: that of its last token where there is one.
void Scheduler::finish(Sequence& seq, FinishReason reason) {
  const bool with_token = (reason == FinishReason::kStop || reason == FinishReason::kLength) &&
                          !events_.empty() && events_.back().request_id == seq.request->id &&
                          events_.back().finish == FinishReason::kNone;
  TokenOutput& last = with_token ? events_.back() : emit(seq);
  last.finish = reason;
  std::erase(seq.state == SequenceState::kRunning ? running_ : waiting_, &seq);
  seq.state = SequenceState::kFinished;
  last.trace = std::make_shared<const SequenceTrace>(seq.snapshot());
  const auto found = sequences_.find(seq.request->id);
  finished_.push_back(std::move(found->second));
  sequences_.erase(found);
  if (seq.in_flight == 0) retire(seq);
}

void Scheduler::retire(Sequence& seq) {
  pool_.release_all(seq.block_table);
  std::erase_if(finished_, [&](const auto& owned) { return owned.get() == &seq; });
}

void Scheduler::take_events(std::vector<TokenOutput>& out) {
  out.insert(out.end(), std::make_move_iterator(events_.begin()),
             std::make_move_iterator(events_.end()));
  events_.clear();
}

SchedulerStats Scheduler::stats() const {
  SchedulerStats stats = totals_;
  stats.num_running = static_cast<int>(running_.size());
  stats.num_waiting = static_cast<int>(waiting_.size());
  stats.num_blocks = pool_.num_blocks();
  stats.num_used_blocks = pool_.num_blocks() - pool_.num_available();
  return stats;
}

}  // namespace ember
