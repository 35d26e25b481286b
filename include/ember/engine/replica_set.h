// SPDX-License-Identifier: Apache-2.0
// Several engines with the same model behind one generator: the failure of one is seen by nobody
// who asks.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "ember/base/mutex.h"
#include "ember/engine/generator.h"
#include "ember/routing/router.h"

namespace ember {

struct ReplicaSetOptions {
  RouterConfig router;
  uint64_t seed = 0;  // of the router's choices
  // So many failures of its replicas does a request survive; one more ends it. 0: none.
  int max_replays = 2;
  std::function<TimePoint()> now = Clock::now;  // never goes back
};

enum class ReplicaState { kClosed, kOpen, kHalfOpen, kOutOfService };  // as Breaker::State
inline constexpr std::array<const char*, 4> kReplicaStateNames = {"closed", "open", "half_open",
                                                                  "out_of_service"};

// A moment of one replica.
struct ReplicaInfo {
  ReplicaState state = ReplicaState::kOpen;
  int num_requests = 0;      // that are placed on it
  uint64_t num_lives = 0;    // so often has it been made
  uint64_t num_choices = 0;  // so many requests have been placed on it
};

// Since the start.
struct ReplicaSetTotals {
  uint64_t num_replays = 0;          // requests that went on with another replica, each time
  uint64_t num_replayed_tokens = 0;  // of their answers, which were given out before
  std::array<uint64_t, std::size(kRoutingPolicies)> num_choices{};  // by RoutingPolicy
};

// A replica is a generator whose events come to on_step(). It has many lives: whoever owns it makes
// it again when it has failed. What the set is told of an earlier life it ignores.
//
// When a replica fails, each request that was placed on it goes on with another one where it was
// interrupted (Request::progress): its events are those of a request that was never interrupted.
// While no replica may be asked a request waits here, one that has been on no replica until its
// start deadline.
//
// A request that was there when two replicas failed is a suspect: the next one it has for itself,
// one that has to prove itself anyway, until the answer is eight tokens longer than when the last
// one failed. After `max_replays` failures the next one ends it with kEngineFailed, and the log
// names it.
//
// Any thread may call everything. The sinks are called under the set's lock: they do not block and
// do not call the set.
class ReplicaSet final : public Generator {
 public:
  // `out` gets the events of all requests, and outlives the set.
  ReplicaSet(const ReplicaSetOptions& options, OutputSink& out);

  // Before anything else is called; the first life of each must be ready before the first request.
  // `load` gets every report of the replica, without its events, and outlives the set.
  ReplicaId add(OutputSink& load);

  // A life of the replica begins; its number, which names it in all that follows.
  uint64_t begin_life(ReplicaId replica) EXCLUDES(mu_);
  // The replica can be asked. A first life may be at once, a later one when its back-off is over.
  void ready(ReplicaId replica, uint64_t life, std::shared_ptr<Generator> engine,
             const ReplicaCapacity& capacity) EXCLUDES(mu_);
  // What the replica's engine says. A report that it failed ends this life.
  void on_step(ReplicaId replica, uint64_t life, std::vector<TokenOutput> events,
               const StepReport& report) EXCLUDES(mu_);
  // It could not be made, or has to be ended.
  void failed(ReplicaId replica, uint64_t life) EXCLUDES(mu_);
  // Its engine cannot be ended: it is out of service for ever.
  void give_up(ReplicaId replica) EXCLUDES(mu_);
  // To be called now and then. Gives up the replicas that are stalled.
  void tick() EXCLUDES(mu_);
  // Whether the replica's life has ended and another one should begin.
  bool wants_life(ReplicaId replica) EXCLUDES(mu_);

  // The operator's: ends the replica's life, if it has one, so that another one begins; also brings
  // back one that is out of service, unless it is stalled. For the requests on it that is no
  // failure.
  void restart(ReplicaId replica) EXCLUDES(mu_);

  RoutingPolicy policy() const EXCLUDES(mu_);
  void set_policy(RoutingPolicy policy) EXCLUDES(mu_);
  std::vector<ReplicaInfo> replicas() const EXCLUDES(mu_);
  ReplicaSetTotals totals() const EXCLUDES(mu_);

  void submit(RequestRef request) override EXCLUDES(mu_);
  void cancel(RequestId id) override EXCLUDES(mu_);
  // Of all replicas that answer within a second, for which it waits.
  std::future<std::vector<SequenceTrace>> traces() override EXCLUDES(mu_);
  // True while all replicas are out of service. Requests end with kEngineFailed then.
  bool failed() const override EXCLUDES(mu_);
  // Of the replicas that may be asked the latest one; TimePoint{} when none may.
  TimePoint last_progress() const override EXCLUDES(mu_);

 private:
  struct Slot {
    OutputSink* load = nullptr;
    uint64_t life = 0;
    bool alive = false;  // life has begun and not ended
    bool given_up = false;
    uint64_t num_choices = 0;
    std::shared_ptr<Generator> engine;  // of the newest life that was ready
  };
  // A request on its way.
  struct Flight {
    RequestRef request;
    RouteRequest route;
    std::vector<int32_t> output;  // all of it, request->progress included
    int num_prompt_logprobs = 0;
    ReplicaId replica = -1;  // that it is placed on; -1: it waits
    int num_deaths = 0;
    bool interrupted = false;  // by the end of a life: the next replica goes on from there
    size_t proven_at = 0;      // a suspect is none any more when its output is so long
    bool alone = false;        // on its replica
    bool cancelled = false;
    // Since it has been on the replica, and at all:
    bool begun = false, begun_before = false;
    int num_cached_tokens = 0;  // as its first event said
  };
  using Flights = std::unordered_map<RequestId, Flight>;

  Slot& at(ReplicaId replica) REQUIRES(mu_) { return slots_[static_cast<size_t>(replica)]; }
  ReplicaState state(ReplicaId replica, TimePoint now) const REQUIRES(mu_);
  bool all_out(TimePoint now) const REQUIRES(mu_);
  bool suspect(const Flight& flight) const;
  // Whether the event is one for the client, and what it says there.
  bool take(TokenOutput& event, const StepReport& report, TimePoint now) REQUIRES(mu_);
  void go_on(Flight& flight, TokenOutput& event, TimePoint now) REQUIRES(mu_);
  void lose(ReplicaId replica, TimePoint now) REQUIRES(mu_);
  void end_life(ReplicaId replica, bool by_failure, TimePoint now) REQUIRES(mu_);
  void interrupt(RequestId id, bool by_failure) REQUIRES(mu_);
  // Places what waits, as far as possible.
  void place_waiting(TimePoint now) REQUIRES(mu_);
  bool place(Flight& flight, bool suspects_wait, TimePoint now) REQUIRES(mu_);
  void expire(TimePoint now) REQUIRES(mu_);
  // The last event of a flight that is on no replica.
  void end(RequestId id, FinishReason reason) REQUIRES(mu_);

  const ReplicaSetOptions options_;
  OutputSink& out_;
  mutable Mutex mu_;
  Router router_ GUARDED_BY(mu_);
  std::vector<Slot> slots_ GUARDED_BY(mu_);
  Flights flights_ GUARDED_BY(mu_);
  std::set<RequestId> waiting_ GUARDED_BY(mu_);  // the oldest one first
  ReplicaSetTotals totals_ GUARDED_BY(mu_);
};

}  // namespace ember
