// SPDX-License-Identifier: Apache-2.0
// Which replica gets a request.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ember/base/clock.h"
#include "ember/base/random.h"
#include "ember/routing/breaker.h"
#include "ember/routing/prefix_index.h"
#include "ember/scheduler/step_cost.h"

namespace ember {

using ReplicaId = int;  // from 0 on, in the order of Router::add

enum class RoutingPolicy {
  kPrefix,      // where the answer is predicted to end first, given what each has cached
  kLeast,       // the same without the caches
  kPowerOfTwo,  // the better of two that are drawn
  kRoundRobin,  // in turn, as often as their weights say
  kHash,        // weighted rendezvous hashing of the request's key, with bounded loads
};

struct RoutingPolicyName {
  std::string_view name;
  RoutingPolicy policy;
};
inline constexpr RoutingPolicyName kRoutingPolicies[] = {
    {"prefix", RoutingPolicy::kPrefix},
    {"least", RoutingPolicy::kLeast},
    {"power-of-two", RoutingPolicy::kPowerOfTwo},
    {"round-robin", RoutingPolicy::kRoundRobin},
    {"hash", RoutingPolicy::kHash},
};

// What a replica can do.
struct ReplicaCapacity {
  int step_tokens = 0;    // of one step
  int max_num_seqs = 0;   // that run at once
  int64_t kv_tokens = 0;  // of its KV cache
  StepCost cost;          // what its steps are thought to take until it has reported some
};

struct RouteRequest {
  uint64_t id = 0;              // no other request that is placed has it
  uint64_t key = 0;             // of RoutingPolicy::kHash
  std::vector<uint64_t> names;  // of the prompt's beginnings, see kPrefixGrain
  int prompt_tokens = 0, max_tokens = 0;
};

enum class Outcome {
  kAnswered,
  kEngineFailed,
  kRequestEnded,  // cancelled, too late, or wrong in itself: tells nothing of the replica
};

// Whom a request meets on its replica.
enum class Company {
  kAny,
  kNone,  // nobody, until Router::join(): half-open replicas, or idle ones if none is broken
  kRest,  // as kAny, but it leaves a replica to those that want none: the half-open ones, or that
          // with the fewest requests if none is broken
};

struct RouterConfig {
  RoutingPolicy policy = RoutingPolicy::kPrefix;
  // A replica with work and without progress for so long is stalled.
  Duration stall_timeout = std::chrono::seconds(10);
};

// Keeps the books of every request that is placed, so that it knows each replica's backlog without
// asking anyone, and compares replicas by the seconds that it predicts.
//
// A pure state machine: no thread, no clock; the time is an argument and never goes back. The same
// calls with the same seed give the same choices. Whoever owns a replica rebuilds it while its
// state is kOpen. What is said of a request that is not placed is ignored.
class Router {
 public:
  Router(const RouterConfig& config, uint64_t seed);

  ReplicaId add(const ReplicaCapacity& capacity);

  // What it can do in the life that comes; what its steps take has been learnt.
  void set_capacity(ReplicaId replica, const ReplicaCapacity& capacity);

  // From the next choice on; what is placed stays where it is.
  void set_policy(RoutingPolicy policy) { config_.policy = policy; }
  RoutingPolicy policy() const { return config_.policy; }

  // Places the request. nullopt: no replica may be asked now.
  std::optional<ReplicaId> choose(const RouteRequest& request, TimePoint now,
                                  Company company = Company::kAny);
  // Others may come to the replica of this request again.
  void join(uint64_t id);
  // The first token of a request is there; num_cached tokens of its prompt were not computed.
  void first_token(uint64_t id, int num_cached, TimePoint now);
  // The request has ended with so many tokens.
  void done(uint64_t id, Outcome outcome, int num_output, TimePoint now);

  // A replica ended a step that took so many seconds.
  void report(ReplicaId replica, const StepWork& work, double seconds, TimePoint now);
  // The replica died or hangs. Returns the requests that were placed on it, in the order of their
  // ids; they are placed no more.
  std::vector<uint64_t> failed(ReplicaId replica, TimePoint now);
  // It is there again, with an empty cache.
  void rebuilt(ReplicaId replica, TimePoint now);
  // Those with work that have been without progress for config.stall_timeout.
  std::vector<ReplicaId> stalled(TimePoint now) const;

  // The operator's, see Breaker::restart().
  void restart(ReplicaId replica) { at(replica).breaker.restart(); }

  Breaker::State state(ReplicaId replica, TimePoint now) const;
  // Seconds until this request's answer would have ended on that replica, num_cached tokens of its
  // prompt being cached there.
  double predicted(ReplicaId replica, const RouteRequest& request, int num_cached) const;

 private:
  struct Replica {
    ReplicaCapacity capacity;
    Breaker breaker;
    int num_requests = 0;     // that are placed on it
    bool alone = false;       // the one that is wants no company
    int64_t demand = 0;       // tokens of the KV cache that they will need
    int64_t unstarted = 0;    // prompt tokens to compute of those without a first token...
    int64_t progress = 0;     // ...and how many of these have been computed
    double first_tokens = 0;  // running mean of the seconds until a first token; 0: none yet
    double weight = 1, turn = 0;
    TimePoint last_progress{};
  };
  struct Placed {
    ReplicaId replica = 0;
    int uncached = 0, num_predicted = 0;  // tokens of its prompt
    int64_t demand = 0;
    bool started = false;
    TimePoint begin{};
  };

  Replica& at(ReplicaId replica) { return replicas_[static_cast<size_t>(replica)]; }
  const Replica& at(ReplicaId replica) const { return replicas_[static_cast<size_t>(replica)]; }
  int expected_output(const RouteRequest& request) const;
  // Those that may be asked, into candidates_.
  void find_candidates(TimePoint now, Company company);
  // The candidate that the policy takes; cached: tokens of the prompt, per replica.
  ReplicaId pick(const RouteRequest& request, const std::vector<int>& cached);
  ReplicaId least(const RouteRequest& request, const std::vector<int>& cached);
  ReplicaId lesser_of_two(const RouteRequest& request, const std::vector<int>& cached);
  ReplicaId next_in_turn();
  ReplicaId hashed(uint64_t key) const;
  void weigh(TimePoint now);
  void place(const RouteRequest& request, ReplicaId replica, int num_cached, TimePoint now);
  // Takes it off its replica and returns it; nullopt: it was on none.
  std::optional<Placed> remove(uint64_t id);
  void start(Placed& placed);

  RouterConfig config_;
  Random random_;
  std::vector<Replica> replicas_;
  std::unordered_map<uint64_t, Placed> placed_;
  PrefixIndex index_;
  double mean_output_;
  TimePoint weighed_ = TimePoint::min();
  // Of the choice that is being made; kept for their memory.
  std::vector<ReplicaId> candidates_;
  std::vector<int> cached_;
  std::vector<double> predictions_;
};

}  // namespace ember
