// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/replica_set.h"

#include <algorithm>
#include <utility>

#include "ember/base/check.h"
#include "ember/base/log.h"

namespace ember {

namespace {

constexpr int kInnocentDeaths = 1;    // so many failures may have happened beside a request
constexpr size_t kTokensOfProof = 8;  // that a suspect says beyond its last death
constexpr Duration kTracesPatience = std::chrono::seconds(1);

RouteRequest route_of(const Request& request) {
  RouteRequest route{.id = request.id, .names = prefix_names(request)};
  route.key = route.names.empty() ? request.cache_scope.root().low : route.names.front();
  return route;
}

// The request as it goes on behind what it has said.
RequestRef continued(const Request& request, const std::vector<int32_t>& output,
                     int num_prompt_logprobs) {
  Request next = request;
  next.progress = {.output = output, .num_prompt_logprobs = num_prompt_logprobs};
  next.start_deadline = kNever;
  return share(std::move(next));
}

}  // namespace

ReplicaSet::ReplicaSet(const ReplicaSetOptions& options, OutputSink& out)
    : options_(options), out_(out), router_(options.router, options.seed) {}

ReplicaId ReplicaSet::add(OutputSink& load) {
  MutexLock lock(mu_);
  slots_.push_back({.load = &load});
  return router_.add({.step_tokens = 1, .max_num_seqs = 1, .kv_tokens = 1});  // until it is ready
}

uint64_t ReplicaSet::begin_life(ReplicaId replica) {
  MutexLock lock(mu_);
  CHECK(!at(replica).alive && !at(replica).given_up);
  at(replica).alive = true;
  at(replica).engine.reset();
  return ++at(replica).life;
}

void ReplicaSet::ready(ReplicaId replica, uint64_t life, std::shared_ptr<Generator> engine,
                       const ReplicaCapacity& capacity) {
  MutexLock lock(mu_);
  Slot& slot = at(replica);
  if (!slot.alive || slot.life != life) return;
  const TimePoint now = options_.now();
  slot.engine = std::move(engine);
  router_.set_capacity(replica, capacity);
  router_.rebuilt(replica, now);
  place_waiting(now);
}

void ReplicaSet::on_step(ReplicaId replica, uint64_t life, std::vector<TokenOutput> events,
                         const StepReport& report) {
  MutexLock lock(mu_);
  Slot& slot = at(replica);
  if (!slot.alive || slot.life != life) return;
  const TimePoint now = options_.now();
  if (report.num_tokens > 0)
    router_.report(replica,
                   {.decode_tokens = report.num_decode_tokens,
                    .prefill_tokens = report.num_tokens - report.num_decode_tokens},
                   report.step_seconds, now);
  std::erase_if(events,
                [&](TokenOutput& event) REQUIRES(mu_) { return !take(event, report, now); });
  slot.load->on_step({}, report);
  if (!events.empty()) out_.on_step(std::move(events), report);
  if (report.failed) end_life(replica, true, now);
  place_waiting(now);
}

bool ReplicaSet::take(TokenOutput& event, const StepReport& report, TimePoint now) {
  const auto found = flights_.find(event.request_id);
  if (found == flights_.end()) return false;
  Flight& flight = found->second;
  // Not its end but the cause of what comes now, see end_life().
  if (report.failed && event.finish == FinishReason::kEngineFailed) return false;
  go_on(flight, event, now);
  if (event.finish == FinishReason::kNone) return true;
  const bool answered =
      event.finish == FinishReason::kStop || event.finish == FinishReason::kLength;
  router_.done(event.request_id, answered ? Outcome::kAnswered : Outcome::kRequestEnded,
               static_cast<int>(flight.output.size()), now);
  flights_.erase(found);
  return true;
}

// What is said once in an answer is said in its first life.
void ReplicaSet::go_on(Flight& flight, TokenOutput& event, TimePoint now) {
  if (!std::exchange(flight.begun, true))
    router_.first_token(event.request_id, event.num_cached_tokens, now);
  if (std::exchange(flight.begun_before, true))
    event.scheduled = {};
  else
    flight.num_cached_tokens = event.num_cached_tokens;
  event.num_cached_tokens = flight.num_cached_tokens;
  flight.num_prompt_logprobs += static_cast<int>(event.prompt_logprobs.size());
  if (event.token < 0) return;
  flight.output.push_back(event.token);
  if (flight.alone && flight.output.size() >= flight.proven_at) {
    flight.alone = false;
    router_.join(event.request_id);
  }
}

void ReplicaSet::failed(ReplicaId replica, uint64_t life) {
  MutexLock lock(mu_);
  if (!at(replica).alive || at(replica).life != life) return;
  const TimePoint now = options_.now();
  end_life(replica, true, now);
  place_waiting(now);
}

void ReplicaSet::end_life(ReplicaId replica, bool by_failure, TimePoint now) {
  at(replica).alive = false;
  at(replica).load->on_step({}, {.failed = true});
  const std::vector<uint64_t> ids = router_.failed(replica, now);
  spdlog::warn("replica {} {}: {} requests go on elsewhere", replica,
               by_failure ? "failed" : "is restarted", ids.size());
  for (const RequestId id : ids) interrupt(id, by_failure);
}

void ReplicaSet::interrupt(RequestId id, bool by_failure) {
  Flight& flight = flights_.at(id);
  flight.replica = -1;
  flight.begun = flight.alone = false;
  if (flight.cancelled) return end(id, FinishReason::kCancelled);
  flight.interrupted = true;
  if (by_failure && flight.num_deaths++ >= options_.max_replays) {
    spdlog::error("request {}: {} replicas failed while they had it, that is its end", id,
                  flight.num_deaths);
    return end(id, FinishReason::kEngineFailed);
  }
  flight.proven_at = flight.output.size() + kTokensOfProof;
  waiting_.insert(id);
}

void ReplicaSet::tick() {
  MutexLock lock(mu_);
  const TimePoint now = options_.now();
  for (const ReplicaId replica : router_.stalled(now)) lose(replica, now);
  expire(now);
  place_waiting(now);
}

void ReplicaSet::give_up(ReplicaId replica) {
  MutexLock lock(mu_);
  const TimePoint now = options_.now();
  lose(replica, now);
  place_waiting(now);
}

void ReplicaSet::lose(ReplicaId replica, TimePoint now) {
  spdlog::critical("replica {} hangs: it is out of service for ever", replica);
  at(replica).given_up = true;
  if (at(replica).alive) end_life(replica, true, now);
}

void ReplicaSet::restart(ReplicaId replica) {
  MutexLock lock(mu_);
  if (at(replica).given_up) return;
  const TimePoint now = options_.now();
  if (at(replica).alive) end_life(replica, false, now);
  router_.restart(replica);
  place_waiting(now);
}

bool ReplicaSet::wants_life(ReplicaId replica) {
  MutexLock lock(mu_);
  return !at(replica).alive && state(replica, options_.now()) == ReplicaState::kOpen;
}

void ReplicaSet::expire(TimePoint now) {
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const RequestId id = *next++;
    const Flight& flight = flights_.at(id);
    if (flight.request->deadline <= now)
      end(id, FinishReason::kDeadline);
    else if (!flight.interrupted && flight.request->start_deadline <= now)
      end(id, FinishReason::kQueueTimeout);
  }
}

void ReplicaSet::place_waiting(TimePoint now) {
  if (waiting_.empty()) return;
  if (all_out(now)) {
    while (!waiting_.empty()) end(*waiting_.begin(), FinishReason::kEngineFailed);
    return;
  }
  const bool suspects_wait = std::ranges::any_of(
      waiting_, [this](RequestId id) REQUIRES(mu_) { return suspect(flights_.at(id)); });
  bool place_suspects = true, place_others = true;  // one that finds no place stands for all
  for (auto next = waiting_.begin(); next != waiting_.end() && (place_suspects || place_others);) {
    const auto id = next++;
    Flight& flight = flights_.at(*id);
    bool& may = suspect(flight) ? place_suspects : place_others;
    may = may && place(flight, suspects_wait, now);
    if (may) waiting_.erase(id);
  }
}

bool ReplicaSet::suspect(const Flight& flight) const { return flight.num_deaths > kInnocentDeaths; }

// Replicas that have to prove themselves are for suspects as long as there are any.
bool ReplicaSet::place(Flight& flight, bool suspects_wait, TimePoint now) {
  const Request& request = *flight.request;
  const auto num_output = static_cast<int>(flight.output.size());
  flight.route.prompt_tokens = static_cast<int>(request.prompt.size()) + num_output;
  flight.route.max_tokens = request.max_tokens - num_output;
  const bool alone = suspect(flight);
  const std::optional<ReplicaId> chosen = router_.choose(flight.route, now,
                                                         alone           ? Company::kNone
                                                         : suspects_wait ? Company::kRest
                                                                         : Company::kAny);
  if (!chosen) return false;
  flight.replica = *chosen;
  flight.alone = alone;
  ++at(*chosen).num_choices;
  ++totals_.num_choices[static_cast<size_t>(router_.policy())];
  if (!flight.interrupted) {
    at(*chosen).engine->submit(flight.request);
    return true;
  }
  ++totals_.num_replays;
  totals_.num_replayed_tokens += flight.output.size();
  at(*chosen).engine->submit(continued(request, flight.output, flight.num_prompt_logprobs));
  return true;
}

void ReplicaSet::end(RequestId id, FinishReason reason) {
  std::vector<TokenOutput> events(1);
  events[0] = {
      .request_id = id, .finish = reason, .num_cached_tokens = flights_.at(id).num_cached_tokens};
  waiting_.erase(id);
  flights_.erase(id);
  out_.on_step(std::move(events), {});
}

void ReplicaSet::submit(RequestRef request) {
  RouteRequest route = route_of(*request);
  MutexLock lock(mu_);
  const RequestId id = request->id;
  Flight flight;
  flight.route = std::move(route);
  flight.output = request->progress.output;
  flight.num_prompt_logprobs = request->progress.num_prompt_logprobs;
  flight.request = std::move(request);
  const bool added = flights_.emplace(id, std::move(flight)).second;
  CHECK(added, "request id {} is in use", id);
  waiting_.insert(id);
  place_waiting(options_.now());
}

void ReplicaSet::cancel(RequestId id) {
  MutexLock lock(mu_);
  const auto found = flights_.find(id);
  if (found == flights_.end()) return;
  Flight& flight = found->second;
  flight.cancelled = true;
  if (flight.replica < 0) return end(id, FinishReason::kCancelled);
  at(flight.replica).engine->cancel(id);
}

std::future<std::vector<SequenceTrace>> ReplicaSet::traces() {
  std::vector<std::future<std::vector<SequenceTrace>>> parts;
  {
    MutexLock lock(mu_);
    for (const Slot& slot : slots_)
      if (slot.alive && slot.engine) parts.push_back(slot.engine->traces());
  }
  const TimePoint until = Clock::now() + kTracesPatience;
  std::vector<SequenceTrace> all;
  for (auto& part : parts) {
    if (part.wait_until(until) != std::future_status::ready) continue;
    try {
      const std::vector<SequenceTrace> some = part.get();
      all.insert(all.end(), some.begin(), some.end());
    } catch (const std::future_error& e) {  // it ended meanwhile
      spdlog::debug("a replica has no traces: {}", e.what());
    }
  }
  std::promise<std::vector<SequenceTrace>> promise;
  promise.set_value(std::move(all));
  return promise.get_future();
}

ReplicaState ReplicaSet::state(ReplicaId replica, TimePoint now) const {
  if (slots_[static_cast<size_t>(replica)].given_up) return ReplicaState::kOutOfService;
  switch (router_.state(replica, now)) {
    case Breaker::State::kClosed:
      return ReplicaState::kClosed;
    case Breaker::State::kOpen:
      return ReplicaState::kOpen;
    case Breaker::State::kHalfOpen:
      return ReplicaState::kHalfOpen;
    case Breaker::State::kOutOfService:
      break;
  }
  return ReplicaState::kOutOfService;
}

bool ReplicaSet::all_out(TimePoint now) const {
  for (ReplicaId i = 0; i < static_cast<ReplicaId>(slots_.size()); ++i)
    if (state(i, now) != ReplicaState::kOutOfService) return false;
  return true;
}

bool ReplicaSet::failed() const {
  MutexLock lock(mu_);
  return all_out(options_.now());
}

TimePoint ReplicaSet::last_progress() const {
  MutexLock lock(mu_);
  const TimePoint now = options_.now();
  TimePoint latest{};
  for (ReplicaId i = 0; i < static_cast<ReplicaId>(slots_.size()); ++i) {
    const Slot& slot = slots_[static_cast<size_t>(i)];
    const ReplicaState s = state(i, now);
    if ((s == ReplicaState::kClosed || s == ReplicaState::kHalfOpen) && slot.alive && slot.engine)
      latest = std::max(latest, slot.engine->last_progress());
  }
  return latest;
}

RoutingPolicy ReplicaSet::policy() const {
  MutexLock lock(mu_);
  return router_.policy();
}

void ReplicaSet::set_policy(RoutingPolicy policy) {
  MutexLock lock(mu_);
  router_.set_policy(policy);
}

std::vector<ReplicaInfo> ReplicaSet::replicas() const {
  MutexLock lock(mu_);
  const TimePoint now = options_.now();
  std::vector<ReplicaInfo> all;
  for (ReplicaId i = 0; i < static_cast<ReplicaId>(slots_.size()); ++i) {
    const Slot& slot = slots_[static_cast<size_t>(i)];
    all.push_back(
        {.state = state(i, now), .num_lives = slot.life, .num_choices = slot.num_choices});
  }
  for (const auto& [id, flight] : flights_)
    if (flight.replica >= 0) ++all[static_cast<size_t>(flight.replica)].num_requests;
  return all;
}

ReplicaSetTotals ReplicaSet::totals() const {
  MutexLock lock(mu_);
  return totals_;
}

}  // namespace ember
