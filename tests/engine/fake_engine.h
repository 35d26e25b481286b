// SPDX-License-Identifier: Apache-2.0
// One life of a replica: the real scheduler over the fake model. It works when it is told to.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "ember/engine/replica_set.h"
#include "scheduler/live_request.h"

namespace ember::test {

// What the client of one request has seen, and what has happened to it.
struct Seen {
  Request request;
  std::vector<int32_t> tokens;
  std::vector<float> prompt_logprobs;
  std::vector<TokenOutput> events;
  FinishReason finish = FinishReason::kNone;
  int num_deaths = 0;
  size_t num_tokens_at_death = 0;
  bool cancelled = false;
};
using Clients = std::map<RequestId, Seen>;

class FakeEngine final : public Generator {
 public:
  FakeEngine(const Setup& setup, ReplicaSet& set, ReplicaId replica, uint64_t life,
             Clients& clients)
      : set_(set),
        replica_(replica),
        life_(life),
        clients_(clients),
        max_in_flight_(static_cast<size_t>(setup.scheduler.max_in_flight)),
        pool_(setup.pool),
        scheduler_(setup.scheduler, pool_),
        model_(pool_) {}

  void submit(RequestRef request) override {
    for (const RequestId id : inside_)
      expect(!is_suspect(id), fmt::format("request {} comes to suspect {}", request->id, id));
    inside_.insert(request->id);
    expect(clients_.at(request->id).num_deaths < 2 || inside_.size() == 1,
           fmt::format("suspect {} is not alone", request->id));
    submitted_.push_back(std::move(request));
  }
  void cancel(RequestId id) override { cancelled_.push_back(id); }
  std::future<std::vector<SequenceTrace>> traces() override {
    std::promise<std::vector<SequenceTrace>> promise;
    promise.set_value(scheduler_.traces());
    return promise.get_future();
  }
  bool failed() const override { return false; }
  TimePoint last_progress() const override { return progress_; }

  // One turn of the engine's loop.
  void step(TimePoint now) {
    for (RequestRef& request : std::exchange(submitted_, {}))
      expect(scheduler_.submit(std::move(request), now).ok(), "the scheduler refuses a request");
    for (const RequestId id : std::exchange(cancelled_, {})) scheduler_.cancel(id);
    StepReport report;
    const Step* launched = nullptr;
    if (in_flight_.size() < max_in_flight_) {
      const Step& step = scheduler_.schedule(now);
      if (!step.seqs.empty()) in_flight_.emplace_back(launched = &step, model_.launch(step));
    }
    if (in_flight_.size() == max_in_flight_ || (launched == nullptr && !in_flight_.empty())) {
      const auto [step, rows] = std::move(in_flight_.front());
      in_flight_.pop_front();
      report = {.num_tokens = step->num_tokens,
                .num_decode_tokens = step->num_decode_tokens,
                .step_seconds = 0.01};
      scheduler_.commit(*step, rows);
      if (!in_flight_.empty() && in_flight_.front().first->samples_after_commit)
        model_.sample(*in_flight_.front().first);
    }
    progress_ = now;
    publish(report);
  }
  // As Engine does it: everything that the scheduler knows ends.
  void fail() {
    in_flight_.clear();
    scheduler_.abort_all(FinishReason::kEngineFailed);
    for (const RequestId id : inside_) bury(id);
    publish({.failed = true});
  }
  // Its requests were taken from it.
  void leave() {
    for (const RequestId id : inside_) bury(id);
    inside_.clear();
  }
  // The same, and it was nobody's failure.
  void end() { inside_.clear(); }
  bool busy() const { return !inside_.empty(); }
  uint64_t life() const { return life_; }

 private:
  bool is_suspect(RequestId id) const {
    const Seen& seen = clients_.at(id);
    return seen.num_deaths >= 2 && seen.tokens.size() < seen.num_tokens_at_death + 8;
  }
  void bury(RequestId id) {
    Seen& seen = clients_.at(id);
    ++seen.num_deaths;
    seen.num_tokens_at_death = seen.tokens.size();
  }
  void publish(const StepReport& report) {
    std::vector<TokenOutput> events;
    scheduler_.take_events(events);
    for (const TokenOutput& event : events)
      if (event.finish != FinishReason::kNone) inside_.erase(event.request_id);
    set_.on_step(replica_, life_, std::move(events), report);
  }

  ReplicaSet& set_;
  const ReplicaId replica_;
  const uint64_t life_;
  Clients& clients_;
  const size_t max_in_flight_;
  BlockPool pool_;
  Scheduler scheduler_;
  FakeModel model_;
  TimePoint progress_{};
  std::set<RequestId> inside_;
  std::vector<RequestRef> submitted_;
  std::vector<RequestId> cancelled_;
  std::deque<std::pair<const Step*, std::vector<SampledToken>>> in_flight_;
};

}  // namespace ember::test
