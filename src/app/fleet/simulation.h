// SPDX-License-Identifier: Apache-2.0
// A fleet on a virtual clock: conversations, replicas that fail, and the real Router.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <unordered_map>
#include <vector>

#include "ember/base/clock.h"
#include "ember/routing/router.h"
#include "fleet_replica.h"
#include "workload.h"

namespace ember {

struct FleetConfig {
  int num_replicas = 0;
  double rate = 0;      // requests a second
  double duration = 0;  // seconds in which requests arrive; answers may take kDrain more
  WorkloadKind workload = WorkloadKind::kChat;
  ReplicaSpec replica;
  // Replicas with the real scheduler and real tokens instead of ReplicaModel.
  bool exact = false;
  // Processes that place requests, each with a Router of its own, which knows of the others'
  // requests only by what they make a step take. A conversation stays with one of them.
  int num_front_ends = 1;
  // Seconds until a front end hears of a step, a first token or an end. Deaths are heard of at
  // once.
  double report_delay = 0;
  double slow_share = 0;  // of the replicas: half as fast
  // Seconds from a replica's (re)start to its crash, or until it hangs, on average; 0: never. The
  // same for all policies as long as they rebuild alike, and none when no more requests arrive.
  double crash_mtbf = 0, hang_mtbf = 0;
  uint64_t seed = 0;
};

// What became of the requests. Times in seconds.
struct FleetResult {
  int64_t requests = 0, completed = 0;
  int64_t errors = 0;      // died with three replicas
  int64_t unanswered = 0;  // when the simulation ended
  int64_t replayed = 0;    // times that a request went on elsewhere
  int64_t crashes = 0, hangs = 0;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;       // of these, found in a replica's cache
  std::vector<double> ttft, tpot;  // of each completed request; tpot: each token after that
  int64_t good = 0;                // completed within kGoodTtft and kGoodTpot
  double imbalance = 0;            // most busy seconds of a replica over the mean
  double choice_seconds = 0;       // real ones, all choices together
  int64_t choices = 0;
  uint64_t trace = 0;  // a hash of everything that happened, in order
};

inline constexpr double kGoodTtft = 1, kGoodTpot = 0.050;
inline constexpr double kDrain = 600;

// One policy; the same config and policy give the same result, choice_seconds apart.
class FleetSimulation {
 public:
  FleetSimulation(const FleetConfig& config, RoutingPolicy policy);
  FleetResult run();

 private:
  enum class Kind { kConversation, kTurn, kStep, kCrash, kHang, kReady, kTick };
  struct Event {
    TimePoint at{};
    uint64_t order = 0;  // of events at the same time
    Kind kind = Kind::kTick;
    uint64_t subject = 0;  // a conversation or a replica
    uint32_t life = 0;     // of the replica: what was planned in an earlier one does not happen
    bool operator>(const Event& o) const { return at != o.at ? at > o.at : order > o.order; }
  };
  struct Replica {
    std::unique_ptr<FleetReplica> model;
    Random faults;
    uint32_t life = 0;
    bool up = true, hung = false, stepping = false;
    StepWork work;
    double step_seconds = 0, busy = 0;
  };
  struct Flight {  // a conversation whose turn is asked
    Conversation conversation;
    TimePoint asked{}, first{};
    bool has_first = false;
    int num_output = 0;  // tokens that replicas that failed had given
    int deaths = 0;
    uint64_t route = 0;  // the id of its newest placing, which no other one has
  };
  struct Message {
    TimePoint at{};
    size_t front_end = 0;
    std::function<void(Router&, TimePoint)> tell;
  };

  size_t front_end_of(uint64_t conversation) const { return conversation % routers_.size(); }
  // The front end is told when the delay has passed. Its messages arrive in order.
  void report(size_t front_end, std::function<void(Router&, TimePoint)> tell);
  void deliver();
  void schedule(double after, Kind kind, uint64_t subject, uint32_t life = 0);
  void handle(const Event& event);
  void begin_conversation();
  void ask(Flight& flight);
  void place(uint64_t id);
  void place_waiting();
  void begin_step(uint64_t replica);
  void end_step(uint64_t replica);
  void first_token(const FleetReplica::FirstToken& token);
  void complete(uint64_t id);
  void end_life(uint64_t replica);
  void ready(uint64_t replica);
  void plan_faults(uint64_t replica);
  void tick();
  bool open() const { return seconds(now_ - TimePoint{}) < config_.duration; }

  const FleetConfig config_;
  Workload workload_;
  std::vector<Router> routers_;   // of the front ends
  std::deque<Message> messages_;  // on their way, in order of arrival
  uint64_t num_routes_ = 0;
  std::vector<Replica> replicas_;
  std::unordered_map<uint64_t, Flight> flights_;  // by conversation; also while its user thinks
  std::vector<uint64_t> waiting_;                 // flights that no replica could be asked for
  int64_t asked_ = 0;                             // flights without an answer
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t order_ = 0;
  TimePoint now_{};
  FleetResult result_;
};

}  // namespace ember
