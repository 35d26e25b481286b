// SPDX-License-Identifier: Apache-2.0
#include "simulation.h"

#include <algorithm>
#include <utility>

#include "ember/base/splitmix64.h"
#include "exact_replica.h"
#include "replica_model.h"

namespace ember {

namespace {

constexpr double kRebuild = 20;  // seconds
constexpr double kTickEvery = 1;
constexpr int kMaxReplays = 2;
constexpr int kNoLimit = 1 << 20;  // clients ask for no particular length

StepCost learnt(const ReplicaSpec& spec) {
  StepCost cost;
  const auto learn = [&](const StepWork& work) { cost.learn(work, spec.seconds(work)); };
  for (int i = 0; i < 200; ++i) {
    learn({.decode_tokens = 1 + i % 32});
    learn({.decode_tokens = i % 16, .prefill_tokens = 64 + 8 * i});
  }
  return cost;
}

std::unique_ptr<FleetReplica> make_replica(const FleetConfig& config, double speed) {
  if (config.exact) return std::make_unique<ExactReplica>(config.replica, speed);
  return std::make_unique<ReplicaModel>(config.replica, speed);
}

uint64_t index(ReplicaId replica) { return static_cast<uint64_t>(replica); }

}  // namespace

FleetSimulation::FleetSimulation(const FleetConfig& config, RoutingPolicy policy)
    : config_(config), workload_(config.workload, config.rate, config.seed) {
  for (int i = 0; i < config.num_front_ends; ++i)
    routers_.emplace_back(RouterConfig{.policy = policy}, splitmix64(config.seed) + index(i));
  const StepCost cost = learnt(config.replica);
  for (int i = 0; i < config.num_replicas; ++i) {
    Random faults(splitmix64(config.seed + 1) ^ mix_bits(index(i) + 1));
    const bool slow = faults.uniform() < config.slow_share;
    replicas_.push_back({.model = make_replica(config, slow ? 0.5 : 1), .faults = faults});
    for (Router& router : routers_)
      router.add({.step_tokens = config.replica.step_tokens,
                  .max_num_seqs = config.replica.max_num_seqs,
                  .kv_tokens = config.replica.kv_tokens,
                  .cost = cost});
    plan_faults(index(i));
  }
}

FleetResult FleetSimulation::run() {
  schedule(workload_.next_gap(), Kind::kConversation, 0);
  schedule(kTickEvery, Kind::kTick, 0);
  while (!events_.empty()) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    const double passed = seconds(now_ - TimePoint{});
    if (!open() && (asked_ == 0 || passed > config_.duration + kDrain)) break;
    deliver();
    handle(event);
  }
  double most = 0, sum = 0;
  for (const Replica& r : replicas_) {
    most = std::max(most, r.busy);
    sum += r.busy;
  }
  if (sum > 0) result_.imbalance = most / (sum / config_.num_replicas);
  result_.unanswered = asked_;
  return std::move(result_);
}

void FleetSimulation::report(size_t front_end, std::function<void(Router&, TimePoint)> tell) {
  if (config_.report_delay == 0) return tell(routers_[front_end], now_);
  const std::chrono::duration<double> wait(config_.report_delay);
  messages_.push_back(
      {now_ + std::chrono::duration_cast<Duration>(wait), front_end, std::move(tell)});
}

void FleetSimulation::deliver() {
  for (; !messages_.empty() && messages_.front().at <= now_; messages_.pop_front()) {
    const Message& message = messages_.front();
    message.tell(routers_[message.front_end], message.at);
  }
}

void FleetSimulation::schedule(double after, Kind kind, uint64_t subject, uint32_t life) {
  const std::chrono::duration<double> wait(after);
  events_.push({.at = now_ + std::chrono::duration_cast<Duration>(wait),
                .order = order_++,
                .kind = kind,
                .subject = subject,
                .life = life});
}

void FleetSimulation::handle(const Event& event) {
  const bool of_replica = event.kind == Kind::kStep || event.kind == Kind::kCrash ||
                          event.kind == Kind::kHang || event.kind == Kind::kReady;
  if (of_replica && replicas_[event.subject].life != event.life) return;
  if ((event.kind == Kind::kCrash || event.kind == Kind::kHang) && !open()) return;
  result_.trace = mix_bits(result_.trace ^ static_cast<uint64_t>(now_.time_since_epoch().count()) ^
                           splitmix64(event.subject * 8 + static_cast<uint64_t>(event.kind)));
  switch (event.kind) {
    case Kind::kConversation:
      return begin_conversation();
    case Kind::kTurn:
      return ask(flights_.at(event.subject));
    case Kind::kStep:
      return end_step(event.subject);
    case Kind::kCrash:
      ++result_.crashes;
      return end_life(event.subject);
    case Kind::kHang:  // the router finds out, see tick()
      ++result_.hangs;
      replicas_[event.subject].hung = true;
      return;
    case Kind::kReady:
      return ready(event.subject);
    case Kind::kTick:
      return tick();
  }
}

void FleetSimulation::begin_conversation() {
  if (!open()) return;
  schedule(workload_.next_gap(), Kind::kConversation, 0);
  const Conversation c = workload_.next_conversation();
  ask(flights_.emplace(c.id, Flight{.conversation = c}).first->second);
}

void FleetSimulation::ask(Flight& flight) {
  const uint64_t id = flight.conversation.id;
  if (!open()) {
    flights_.erase(id);
    return;
  }
  flight.asked = now_;
  ++result_.requests;
  ++asked_;
  place(id);
}

void FleetSimulation::place(uint64_t id) {
  Flight& flight = flights_.at(id);
  const Conversation& c = flight.conversation;
  flight.route = ++num_routes_;
  const int prompt = c.prompt_tokens + flight.num_output;
  const RouteRequest request = {.id = flight.route,
                                .key = c.id,
                                .names = Workload::names(c, prompt),
                                .prompt_tokens = prompt,
                                .max_tokens = kNoLimit};
  const TimePoint begin = Clock::now();
  const std::optional<ReplicaId> chosen = routers_[front_end_of(id)].choose(request, now_);
  result_.choice_seconds += seconds(Clock::now() - begin);
  ++result_.choices;
  if (!chosen) {
    waiting_.push_back(id);
    return;
  }
  replicas_[index(*chosen)].model->submit(
      {.id = id,
       .system = c.system,
       .system_tokens = c.system_tokens,
       .prompt_tokens = prompt,
       .output_tokens = c.output_tokens - flight.num_output,
       .names = Workload::names(c, c.prompt_tokens + c.output_tokens)});
  begin_step(index(*chosen));
}

void FleetSimulation::place_waiting() {
  for (const uint64_t id : std::exchange(waiting_, {})) place(id);
}

void FleetSimulation::begin_step(uint64_t replica) {
  Replica& r = replicas_[replica];
  if (!r.up || r.hung || r.stepping) return;
  const std::optional<FleetReplica::Step> step = r.model->begin_step();
  if (!step) return;
  r.stepping = true;
  r.work = step->work;
  r.step_seconds = step->seconds;
  schedule(step->seconds, Kind::kStep, replica, r.life);
}

void FleetSimulation::end_step(uint64_t replica) {
  Replica& r = replicas_[replica];
  if (r.hung) return;
  r.stepping = false;
  r.busy += r.step_seconds;
  for (size_t i = 0; i < routers_.size(); ++i)
    report(i, [replica, work = r.work, took = r.step_seconds](Router& router, TimePoint at) {
      router.report(static_cast<ReplicaId>(replica), work, took, at);
    });
  const FleetReplica::Ended& ended = r.model->end_step();
  for (const FleetReplica::FirstToken& token : ended.first_tokens) first_token(token);
  for (const uint64_t id : ended.done) complete(id);
  begin_step(replica);
}

void FleetSimulation::first_token(const FleetReplica::FirstToken& token) {
  Flight& flight = flights_.at(token.id);
  report(front_end_of(token.id),
         [route = flight.route, cached = token.num_cached](Router& router, TimePoint at) {
           router.first_token(route, cached, at);
         });
  if (flight.has_first) return;
  flight.has_first = true;
  flight.first = now_;
  result_.prompt_tokens += flight.conversation.prompt_tokens;
  result_.cached_tokens += token.num_cached;
}

void FleetSimulation::complete(uint64_t id) {
  Flight& flight = flights_.at(id);
  Conversation& c = flight.conversation;
  report(front_end_of(id),
         [route = flight.route, length = c.output_tokens](Router& router, TimePoint at) {
           router.done(route, Outcome::kAnswered, length, at);
         });
  const double ttft = seconds(flight.first - flight.asked);
  const double tpot = seconds(now_ - flight.first) / std::max(c.output_tokens - 1, 1);
  result_.ttft.push_back(ttft);
  result_.tpot.push_back(tpot);
  ++result_.completed;
  --asked_;
  if (ttft <= kGoodTtft && tpot <= kGoodTpot) ++result_.good;
  flight = {.conversation = c};
  if (workload_.next_turn(flight.conversation))
    schedule(workload_.think_time(flight.conversation), Kind::kTurn, id);
  else
    flights_.erase(id);
}

void FleetSimulation::end_life(uint64_t replica) {
  Replica& r = replicas_[replica];
  ++r.life;
  r.up = r.hung = r.stepping = false;
  // Whose end is on its way to its front end is not replayed: so what the replica had counts.
  std::vector<uint64_t> lost;
  for (const FleetReplica::Lost& l : r.model->fail()) {
    flights_.at(l.id).num_output += l.num_output;
    lost.push_back(l.id);
  }
  std::ranges::sort(lost);
  const auto id = static_cast<ReplicaId>(replica);
  for (Router& router : routers_) router.failed(id, now_);
  const auto given_up = [&](const Router& router) {
    return router.state(id, now_) == Breaker::State::kOutOfService;
  };
  if (!std::ranges::all_of(routers_, given_up)) schedule(kRebuild, Kind::kReady, replica, r.life);
  for (const uint64_t flight : lost) {
    if (++flights_.at(flight).deaths > kMaxReplays) {
      ++result_.errors;
      --asked_;
      flights_.erase(flight);
    } else {
      ++result_.replayed;
      place(flight);
    }
  }
}

void FleetSimulation::ready(uint64_t replica) {
  replicas_[replica].up = true;
  for (Router& router : routers_) router.rebuilt(static_cast<ReplicaId>(replica), now_);
  plan_faults(replica);
  place_waiting();
}

void FleetSimulation::plan_faults(uint64_t replica) {
  const auto plan = [&](double mtbf, Kind kind) {
    if (mtbf > 0)
      schedule(replicas_[replica].faults.exponential(mtbf), kind, replica, replicas_[replica].life);
  };
  plan(config_.crash_mtbf, Kind::kCrash);
  plan(config_.hang_mtbf, Kind::kHang);
}

void FleetSimulation::tick() {
  for (const Router& router : routers_)
    for (const ReplicaId replica : router.stalled(now_))
      if (replicas_[index(replica)].up) end_life(index(replica));
  place_waiting();
  schedule(kTickEvery, Kind::kTick, 0);
}

}  // namespace ember
