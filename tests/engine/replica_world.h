// SPDX-License-Identifier: Apache-2.0
// A ReplicaSet over real schedulers with fake models, and its clients, on a virtual clock.
#pragma once

#include <set>

#include "engine/fake_engine.h"

namespace ember::test {

struct NoSink final : OutputSink {
  void on_step(std::vector<TokenOutput>, const StepReport&) override {}
};

// The clients: exactly one last event each, nothing behind it.
class Front final : public OutputSink {
 public:
  explicit Front(Clients& clients) : clients_(clients) {}
  void on_step(std::vector<TokenOutput> events, const StepReport&) override {
    for (TokenOutput& event : events) {
      Seen& seen = clients_.at(event.request_id);
      expect(seen.finish == FinishReason::kNone,
             fmt::format("request {}: an event behind the last one", event.request_id));
      if (event.token >= 0) seen.tokens.push_back(event.token);
      for (const SampledToken& row : event.prompt_logprobs)
        seen.prompt_logprobs.push_back(row.logprob);
      seen.finish = event.finish;
      seen.events.push_back(std::move(event));
    }
  }

 private:
  Clients& clients_;
};

// A set with its replicas and clients, on a virtual clock.
class World {
 public:
  World(const Setup& setup, int num_replicas, ReplicaSetOptions options)
      : setup_(setup),
        max_replays_(options.max_replays),
        front_(clients_),
        set_(with_clock(options), front_) {
    for (int i = 0; i < num_replicas; ++i) set_.add(none_);
    engines_.resize(static_cast<size_t>(num_replicas));
    for (ReplicaId i = 0; i < num_replicas; ++i) {
      begin(i);
      ready(i);
    }
  }

  void submit(Request request) {
    Seen seen{.request = request, .tokens = request.progress.output};
    if (request.prompt_logprobs) {
      const std::vector<float> all = run_alone(request).prompt_logprobs;
      seen.prompt_logprobs = {all.begin(), all.begin() + request.progress.num_prompt_logprobs};
    }
    clients_[request.id] = std::move(seen);
    set_.submit(share(std::move(request)));
  }
  void cancel(RequestId id) {
    clients_.at(id).cancelled = true;
    set_.cancel(id);
  }
  void begin(ReplicaId i) {
    at(i) = std::make_shared<FakeEngine>(setup_, set_, i, set_.begin_life(i), clients_);
    alive_.insert(i);
  }
  void ready(ReplicaId i) {
    set_.ready(i, at(i)->life(), at(i), {.step_tokens = 8, .max_num_seqs = 4, .kv_tokens = 80});
    ready_.insert(i);
  }
  void step(ReplicaId i) {
    if (ready_.contains(i) && !hung_.contains(i)) at(i)->step(now_);
  }
  // Its engine says so, or somebody else.
  void fail(ReplicaId i, bool itself = true) {
    if (!alive_.contains(i) || hung_.contains(i)) return;
    dead(i);
    if (itself) return at(i)->fail();
    at(i)->leave();
    set_.failed(i, at(i)->life());
  }
  void restart(ReplicaId i) {
    if (hung_.contains(i)) return;
    if (alive_.contains(i)) at(i)->end();
    dead(i);
    set_.restart(i);
  }
  // Never steps again.
  void hang(ReplicaId i) {
    if (ready_.contains(i)) hung_.insert(i);
  }
  // An event of a life that is over, or of the replica that a request has left.
  void say_something_late(ReplicaId i, uint64_t life, RequestId id) {
    set_.on_step(i, life, {{.request_id = id, .token = 1, .finish = FinishReason::kStop}},
                 {.failed = true});
  }
  void revive(ReplicaId i) {
    if (set_.wants_life(i)) begin(i);
    if (alive_.contains(i) && !ready_.contains(i)) ready(i);
  }
  void tick() {
    for (const ReplicaId i : hung_)
      if (alive_.contains(i) && at(i)->busy() &&
          now_ - at(i)->last_progress() > std::chrono::seconds(100)) {
        at(i)->leave();
        alive_.erase(i);
      }
    set_.tick();
  }
  void wait(Duration d) { now_ += d; }

  // Nothing fails any more: everything comes to its end.
  void finish() {
    for (int turn = 0; turn < 10000 && num_open() > 0; ++turn) {
      wait(std::chrono::milliseconds(300));
      tick();
      for (ReplicaId i = 0; i < num_replicas(); ++i) {
        if (set_.replicas()[static_cast<size_t>(i)].state == ReplicaState::kOutOfService)
          restart(i);
        revive(i);
        step(i);
      }
    }
    expect(num_open() == 0, fmt::format("{} requests never end", num_open()));
    for (const auto& [id, seen] : clients_) check(id, seen);
  }

  ReplicaSet& set() { return set_; }
  FakeEngine& engine(ReplicaId i) { return *at(i); }
  const Seen& seen(RequestId id) const { return clients_.at(id); }
  const Clients& clients() const { return clients_; }
  TimePoint now() const { return now_; }
  ReplicaId num_replicas() const { return static_cast<ReplicaId>(engines_.size()); }
  int num_hung() const { return static_cast<int>(hung_.size()); }
  int num_open() const {
    return static_cast<int>(std::ranges::count_if(
        clients_, [](const auto& c) { return c.second.finish == FinishReason::kNone; }));
  }
  bool was_out = false;  // all replicas, at some time

 private:
  ReplicaSetOptions with_clock(ReplicaSetOptions options) {
    options.now = [this] { return now_; };
    options.router.stall_timeout = std::chrono::seconds(100);
    return options;
  }
  std::shared_ptr<FakeEngine>& at(ReplicaId i) { return engines_[static_cast<size_t>(i)]; }
  void dead(ReplicaId i) {
    alive_.erase(i);
    ready_.erase(i);
  }

  // The answer is that of the request alone, or it was cut for a reason.
  void check(RequestId id, const Seen& seen) const {
    const Answer alone = run_alone(seen.request);
    const auto why = [&](const char* what) {
      return fmt::format("request {}: {}, finish {}, {} deaths, {} of {} tokens", id, what,
                         static_cast<int>(seen.finish), seen.num_deaths, seen.tokens.size(),
                         alone.tokens.size());
    };
    expect(seen.tokens.size() <= alone.tokens.size() &&
               std::equal(seen.tokens.begin(), seen.tokens.end(), alone.tokens.begin()),
           why("other tokens"));
    expect(seen.prompt_logprobs.size() <= alone.prompt_logprobs.size() &&
               std::equal(seen.prompt_logprobs.begin(), seen.prompt_logprobs.end(),
                          alone.prompt_logprobs.begin()),
           why("other log probabilities of the prompt"));
    expect(std::ranges::count_if(
               seen.events, [](const TokenOutput& e) { return e.scheduled != TimePoint{}; }) <= 1,
           why("begins twice"));
    expect(seen.num_deaths <= max_replays_ + 1, why("too many deaths"));
    switch (seen.finish) {
      case FinishReason::kCancelled:
        return expect(seen.cancelled, why("nobody cancelled it"));
      case FinishReason::kDeadline:
        return expect(seen.request.deadline <= now_, why("too early"));
      case FinishReason::kQueueTimeout:
        return expect(seen.request.start_deadline <= now_ &&
                          seen.tokens == seen.request.progress.output && seen.num_deaths == 0,
                      why("too early"));
      case FinishReason::kEngineFailed:
        return expect(seen.num_deaths == max_replays_ + 1 || was_out, why("it could go on"));
      default:
        expect(seen.finish == alone.finish && seen.tokens == alone.tokens &&
                   seen.prompt_logprobs == alone.prompt_logprobs,
               why("another answer"));
    }
  }

  const Setup setup_;
  const int max_replays_;
  TimePoint now_ = TimePoint{} + std::chrono::seconds(1000);
  NoSink none_;
  Clients clients_;
  Front front_;
  ReplicaSet set_;
  std::vector<std::shared_ptr<FakeEngine>> engines_;
  std::set<ReplicaId> alive_, ready_, hung_;
};

inline Setup small_setup(int max_in_flight = 2) {
  Setup setup;
  setup.pool = {.num_blocks = 20, .block_size = 4};
  setup.scheduler = {.max_num_batched_tokens = 8,
                     .max_num_seqs = 4,
                     .max_num_logit_rows = 6,
                     .max_model_len = 24,
                     .max_num_queued_reqs = 100000,
                     .max_in_flight = max_in_flight};
  return setup;
}

// One whose answer has `max_tokens` tokens and no fault.
inline Request plain_request(RequestId id, int max_tokens = 9) {
  Request r;
  r.id = id;
  r.prompt = {0, 1, 1};
  r.max_tokens = max_tokens;
  while (run_alone(r).finish != FinishReason::kLength) ++r.sampling.seed;
  return r;
}

}  // namespace ember::test
