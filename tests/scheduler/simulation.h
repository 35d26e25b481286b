// SPDX-License-Identifier: Apache-2.0
// A scheduler, a pool and a fake device driven by choices, with everything checked after every
// operation.
#pragma once

#include <deque>
#include <set>

#include "scheduler/live_request.h"
#include "scheduler/setup.h"

namespace ember::test {

class Simulation {
 public:
  explicit Simulation(const Setup& setup)
      : setup_(setup), pool_(setup.pool), scheduler_(setup.scheduler, pool_), device_(pool_) {}

  uint64_t num_steps() const { return num_steps_; }
  bool idle() const { return live_.empty() && in_flight_.empty(); }
  bool can_schedule() const {
    return in_flight_.size() < static_cast<size_t>(setup_.scheduler.max_in_flight);
  }
  bool can_commit() const { return !in_flight_.empty(); }
  const std::vector<std::string>& trace() const { return trace_; }

  // A random operation.
  void any(Choices& c) {
    if (!live_.empty() && c.one_in(4)) propose(c);
    const int op = c.below(16);
    if (op < 3)
      submit(any_request(c, ++last_id_, now_));
    else if (op == 3 && !live_.empty())
      cancel(std::next(live_.begin(), c.below(static_cast<int>(live_.size())))->first);
    else if (op == 4)
      now_ += std::chrono::seconds(c.between(0, 3));
    else if (op == 5 && c.one_in(60))
      abort_all();
    else if (can_commit() && (op >= 11 || !can_schedule()))
      commit();
    else
      schedule();
  }

  void submit(const Request& r) {
    trace_.push_back(fmt::format("submit {} prompt {} max {} at {}", r.id, r.prompt.size(),
                                 r.max_tokens, now_.time_since_epoch().count() / 1000000000));
    const auto& limits = setup_.scheduler;
    const auto prompt = static_cast<int>(r.prompt.size());
    const bool fits =
        prompt + r.max_tokens <= limits.max_model_len &&
        std::max(prompt, prompt + r.max_tokens - 1) <= pool_.num_blocks() * pool_.block_size();
    const bool room =
        live_.size() < static_cast<size_t>(limits.max_num_seqs + limits.max_num_queued_reqs);
    const Result<void> result = scheduler_.submit(share(r), now_);
    expect(result.ok() == (fits && room),
           fmt::format("submit {}: fits {}, room {}, answer {}", r.id, fits, room, result.ok()));
    if (result.ok()) {
      const std::vector<float> all = run_alone(r).prompt_logprobs;
      live_[r.id] = {
          .request = r,
          .tokens = r.progress.output,
          .prompt_logprobs = {all.begin(), all.begin() + r.progress.num_prompt_logprobs}};
    } else
      expect(result.error().kind == (fits ? ErrorKind::kBusy : ErrorKind::kInvalid),
             "the wrong kind of refusal");
    check();
  }

  void propose(Choices& c) {
    const auto& [id, live] = *std::next(live_.begin(), c.below(static_cast<int>(live_.size())));
    const std::vector<int32_t> draft = any_draft(c, live);
    trace_.push_back(fmt::format("propose {} tokens for {}", draft.size(), id));
    scheduler_.propose(id, draft);
    check();
  }

  void cancel(RequestId id) {
    trace_.push_back(fmt::format("cancel {}", id));
    expect(scheduler_.cancel(id), "a live request is not known");
    live_.at(id).cancelled = true;
    check();
    expect(!live_.contains(id), "a cancelled request lives on");
    expect(!scheduler_.cancel(id), "cancelled twice");
  }

  void abort_all() {
    trace_.push_back("abort all");
    scheduler_.abort_all(FinishReason::kEngineFailed);
    in_flight_.clear();
    aborted_ = true;
    check();
    aborted_ = false;
    expect(live_.empty() && !scheduler_.has_work() && pool_.num_available() == pool_.num_blocks(),
           "something survived the abort");
  }

  void schedule() {
    if (!can_schedule()) return;
    trace_.push_back(fmt::format("schedule at {}", now_.time_since_epoch().count() / 1000000000));
    const bool fcfs = setup_.scheduler.policy == SchedulingPolicy::kFcfs;
    const Sequence* first = fcfs && !live_.empty() ? live_.begin()->second.seq : nullptr;
    const RequestId first_id = first == nullptr ? 0 : first->request->id;
    const int num_preemptions = first == nullptr ? 0 : first->num_preemptions;
    const uint64_t preemptions_before = scheduler_.stats().num_preemptions;
    const Step& step = scheduler_.schedule(now_);
    check();  // first: deadlines end requests
    expect(!live_.contains(first_id) || first->num_preemptions == num_preemptions,
           "the oldest was preempted");
    check_step(step);
    expect(!drafts_take_blocks(step, pool_.block_size()) ||
               scheduler_.stats().num_preemptions == preemptions_before,
           "drafts took a block and somebody was preempted");
    expect(!step.seqs.empty() || !in_flight_.empty() || live_.empty(),
           "work waits and nothing runs");
    if (step.seqs.empty()) return;
    ++num_steps_;
    in_flight_.push_back({&step, device_.launch(step)});
    for (const ScheduledSequence& part : step.seqs) live_.at(part.seq->request->id).seq = part.seq;
  }

  void commit() {
    trace_.push_back("commit");
    const auto [step, rows] = std::move(in_flight_.front());
    in_flight_.pop_front();
    const int ms = 3 + step->num_tokens + (mix(num_steps_, 5) % 16 == 0 ? 500 : 0);  // a stall
    scheduler_.commit(*step, rows, std::chrono::milliseconds(ms));
    if (can_commit() && in_flight_.front().step->samples_after_commit)
      device_.sample(*in_flight_.front().step);
    check();
  }

  bool is_live(RequestId id) const { return live_.contains(id); }

  // Equal for states from which the same operations lead to the same answers: all that is visible
  // of requests, blocks, the order of their release and the device. (Blocks released by one
  // operation count as equally old.)
  uint64_t digest() const {
    uint64_t h = mix(last_id_, in_flight_.size());
    for (const auto& [id, live] : live_) {
      h = mix(h, id);
      h = mix(h, live.tokens.size());
      if (live.seq == nullptr) continue;
      const Sequence& seq = *live.seq;
      for (const int n : {seq.num_computed_tokens, seq.num_pending_tokens, seq.in_flight,
                          static_cast<int>(seq.state), static_cast<int>(seq.prefixes.size())})
        h = mix(h, static_cast<uint64_t>(n));
      for (const int32_t block : seq.block_table) h = mix(h, static_cast<uint64_t>(block) + 100);
    }
    for (const Launched& launched : in_flight_)
      for (const ScheduledSequence& part : launched.step->seqs)
        h = mix(h, part.seq->request->id * 1000 +
                       static_cast<uint64_t>(part.first_position * 30 + part.num_tokens));
    for (int32_t block = 0; block < pool_.num_blocks(); ++block) {
      h = mix(h, static_cast<uint64_t>(pool_.num_refs(block) * 2 +
                                       (pool_.is_published(block) ? 1 : 0)));
      if (pool_.is_published(block)) h = mix(h, device_.value_of(block));
      uint64_t older = 0;
      for (const uint64_t other : released_)
        older += other < released_[static_cast<size_t>(block)] ? 1 : 0;
      h = mix(h, pool_.num_refs(block) == 0 ? older : 99);
    }
    return h;
  }

  // Runs what is left to its end, without new requests.
  void drain() {
    // The first sequence always advances, so the tokens of all bound the steps.
    const int bound = 20 + 8 * static_cast<int>(live_.size()) * setup_.scheduler.max_model_len;
    for (int i = 0; !idle(); ++i) {
      expect(i < bound, fmt::format("not finished after {} rounds", i));
      if (can_schedule()) schedule();
      if (!in_flight_.empty() && (i % 2 == 0 || !can_schedule())) commit();
    }
    expect(at_rest(scheduler_), "not at rest");
    expect(pool_.num_available() == pool_.num_blocks(), "blocks are lost");
  }

 private:
  struct Launched {
    const Step* step;
    std::vector<SampledToken> rows;
  };

  void check() {
    scheduler_.check_invariants();
    ++num_checks_;
    for (int32_t block = 0; block < pool_.num_blocks(); ++block)
      if (pool_.num_refs(block) > 0) released_[static_cast<size_t>(block)] = num_checks_;
    events_.clear();
    scheduler_.take_events(events_);
    for (const TokenOutput& event : events_) check_event(event);
    expect(static_cast<size_t>(scheduler_.stats().num_running + scheduler_.stats().num_waiting) ==
               live_.size(),
           "the counts differ");
  }

  void check_event(const TokenOutput& event) {
    const auto found = live_.find(event.request_id);
    expect(found != live_.end(),
           fmt::format("an event of request {}, which has ended", event.request_id));
    LiveRequest& live = found->second;
    for (const SampledToken& row : event.prompt_logprobs)
      live.prompt_logprobs.push_back(row.logprob);
    if (event.token >= 0) live.tokens.push_back(event.token);
    expect(!live.cancelled || (event.token < 0 && event.finish == FinishReason::kCancelled),
           "an event after the cancellation");
    expect(
        event.token >= 0 || !event.prompt_logprobs.empty() || event.finish != FinishReason::kNone,
        "an event that says nothing");
    const Answer answer = run_alone(live.request);
    const bool begins = live.tokens.size() <= answer.tokens.size() &&
                        std::equal(live.tokens.begin(), live.tokens.end(), answer.tokens.begin());
    expect(begins, fmt::format("request {} answers otherwise than alone, token {}",
                               event.request_id, live.tokens.size()));
    expect(live.prompt_logprobs.size() <= answer.prompt_logprobs.size() &&
               std::equal(live.prompt_logprobs.begin(), live.prompt_logprobs.end(),
                          answer.prompt_logprobs.begin()),
           fmt::format("request {} has other log probabilities of its prompt than alone",
                       event.request_id));
    if (event.finish == FinishReason::kNone) return;
    check_finish(live, event, answer);
    device_.forget(event.request_id);
    live_.erase(found);
  }

  void check_finish(const LiveRequest& live, const TokenOutput& event, const Answer& answer) {
    switch (event.finish) {
      case FinishReason::kStop:
      case FinishReason::kLength:
      case FinishReason::kNumericalError:
      case FinishReason::kConstraintFailed:
        expect(event.finish == answer.finish && live.tokens == answer.tokens &&
                   live.prompt_logprobs == answer.prompt_logprobs,
               fmt::format("request {} ends otherwise than alone", event.request_id));
        expect_little_computed(live, event, setup_.scheduler.max_in_flight);
        break;
      case FinishReason::kCancelled:
        expect(live.cancelled, "nobody cancelled");
        break;
      case FinishReason::kDeadline:
        expect(live.request.deadline <= now_, "before the deadline");
        break;
      case FinishReason::kQueueTimeout:
        expect(live.request.start_deadline <= now_ && live.num_computed == 0, "it had begun");
        break;
      case FinishReason::kEngineFailed:
        expect(aborted_, "nobody aborted");
        break;
      case FinishReason::kNone:
        break;
    }
  }

  void check_step(const Step& step) {
    int tokens = 0, rows = 0, device_seqs = 0;
    bool prefill = false;
    std::set<const Sequence*> seen;
    for (const ScheduledSequence& part : step.seqs) {
      const Sequence& seq = *part.seq;
      expect(seen.insert(&seq).second, "a sequence is twice in a step");
      expect(seq.state == SequenceState::kRunning && live_.contains(seq.request->id),
             "what has ended, or waits, is in the step");
      expect(seq.request->deadline > now_, "past its deadline");
      expect(part.num_tokens >= 1 && part.num_logit_rows >= part.num_sampled, "an empty part");
      const int drafts = part.num_draft_tokens;
      const bool decode = seq.num_output_tokens() > std::ssize(seq.request->progress.output) &&
                          part.num_tokens - drafts == 1 && seq.request->max_tokens > 0;
      expect(!prefill || !decode || seq.num_preemptions > 0, "decodes come first");
      if (part.num_tokens - drafts > 1) prefill = true;
      tokens += part.num_tokens, rows += part.num_logit_rows, device_seqs += 1 + drafts;
      LiveRequest& live = live_.at(seq.request->id);
      live.num_computed += part.num_tokens;
      live.had_drafts = live.had_drafts || drafts > 0;
      live.num_preemptions = seq.num_preemptions;
    }
    expect(tokens == step.num_tokens && rows == step.num_logit_rows, "the step's totals are wrong");
    expect(tokens <= setup_.scheduler.max_num_batched_tokens &&
               rows <= setup_.scheduler.max_num_logit_rows,
           "the step is too large");
    expect(device_seqs <= setup_.scheduler.max_num_seqs, "too many sequences");
  }

  const Setup setup_;
  BlockPool pool_;
  Scheduler scheduler_;
  FakeModel device_;
  TimePoint now_{std::chrono::seconds(1000)};
  RequestId last_id_ = 0;
  std::map<RequestId, LiveRequest> live_;
  std::deque<Launched> in_flight_;
  std::vector<TokenOutput> events_;
  std::vector<std::string> trace_;
  std::vector<uint64_t> released_ = std::vector<uint64_t>(
      static_cast<size_t>(pool_.num_blocks()));  // last check that saw a reference
  uint64_t num_steps_ = 0, num_checks_ = 0;
  bool aborted_ = false;
};

}  // namespace ember::test
