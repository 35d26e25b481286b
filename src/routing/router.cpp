// SPDX-License-Identifier: Apache-2.0
#include "ember/routing/router.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ember/base/check.h"
#include "ember/base/integers.h"

namespace ember {

namespace {

constexpr double kTie = 1.05;          // predictions that are so near the best are as good
constexpr double kBoundedLoad = 1.25;  // times the mean; more requests nobody gets by hashing
constexpr double kFirstMeanOutput = 256;
constexpr double kOutputRate = 0.01;  // of a new length in the mean
constexpr double kFirstTokenRate = 0.1;
constexpr std::chrono::seconds kWeighEvery{1};
constexpr StepWork kUsualStep = {.decode_tokens = 16, .prefill_tokens = 256};
constexpr double kLeastFactor = 0.1, kLargestFactor = 2;  // of a weight, by times to first tokens
constexpr double kFullCache = 0.95;

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

Router::Router(const RouterConfig& config, uint64_t seed)
    : config_(config), random_(seed), mean_output_(kFirstMeanOutput) {}

ReplicaId Router::add(const ReplicaCapacity& capacity) {
  CHECK(capacity.step_tokens > 0 && capacity.max_num_seqs > 0 && capacity.kv_tokens > 0);
  replicas_.push_back({.capacity = capacity, .breaker = Breaker(random_.next())});
  index_.add_replica();
  cached_.push_back(0);
  return static_cast<ReplicaId>(replicas_.size()) - 1;
}

void Router::set_capacity(ReplicaId replica, const ReplicaCapacity& capacity) {
  const StepCost learnt = at(replica).capacity.cost;
  at(replica).capacity = capacity;
  at(replica).capacity.cost = learnt;
}

std::optional<ReplicaId> Router::choose(const RouteRequest& request, TimePoint now,
                                        Company company) {
  find_candidates(now, company);
  if (candidates_.empty()) return std::nullopt;
  const int most = std::max(request.prompt_tokens - 1, 0);  // the last one is always computed
  std::ranges::fill(cached_, 0);
  if (config_.policy == RoutingPolicy::kPrefix)
    for (size_t i = 0; const int match : index_.matches(request.names))
      cached_[i++] = std::min(match * kPrefixGrain, most);
  if (weighed_ == TimePoint::min() || now - weighed_ >= kWeighEvery) weigh(now);
  const ReplicaId chosen = pick(request, cached_);
  place(request, chosen, cached_[static_cast<size_t>(chosen)], now);
  at(chosen).alone = company == Company::kNone;
  return chosen;
}

void Router::find_candidates(TimePoint now, Company company) {
  candidates_.clear();
  bool any_closed = false, any_broken = false;  // broken: open or half-open
  for (const Replica& r : replicas_) {
    const Breaker::State state = r.breaker.state(now);
    any_closed = any_closed || state == Breaker::State::kClosed;
    any_broken = any_broken || state == Breaker::State::kOpen || state == Breaker::State::kHalfOpen;
  }
  for (ReplicaId i = 0; i < static_cast<ReplicaId>(replicas_.size()); ++i) {
    const Breaker::State state = at(i).breaker.state(now);
    const bool closed = state == Breaker::State::kClosed, idle = at(i).num_requests == 0;
    if ((!closed && state != Breaker::State::kHalfOpen) || at(i).alone) continue;
    // Who has to prove itself gets one request at a time, unless there is nobody else.
    const bool takes = company == Company::kAny    ? closed || idle || !any_closed
                       : company == Company::kRest ? closed
                                                   : idle && (!closed || !any_broken);
    if (takes) candidates_.push_back(i);
  }
  if (company == Company::kRest && !any_broken && !candidates_.empty())
    candidates_.erase(std::ranges::min_element(candidates_, {},
                                               [this](ReplicaId i) { return at(i).num_requests; }));
}

ReplicaId Router::pick(const RouteRequest& request, const std::vector<int>& cached) {
  switch (config_.policy) {
    case RoutingPolicy::kPrefix:
    case RoutingPolicy::kLeast:
      return least(request, cached);
    case RoutingPolicy::kPowerOfTwo:
      return lesser_of_two(request, cached);
    case RoutingPolicy::kRoundRobin:
      return next_in_turn();
    case RoutingPolicy::kHash:
      break;
  }
  return hashed(request.key);
}

ReplicaId Router::least(const RouteRequest& request, const std::vector<int>& cached) {
  predictions_.clear();
  for (const ReplicaId i : candidates_)
    predictions_.push_back(predicted(i, request, cached[static_cast<size_t>(i)]));
  const double bound = std::ranges::min(predictions_) * kTie;
  const auto ties = std::ranges::count_if(predictions_, [&](double p) { return p <= bound; });
  uint64_t drawn = random_.below(static_cast<uint64_t>(ties));
  size_t i = 0;
  while (predictions_[i] > bound || drawn-- > 0) ++i;
  return candidates_[i];
}

ReplicaId Router::lesser_of_two(const RouteRequest& request, const std::vector<int>& cached) {
  const size_t n = candidates_.size(), first = random_.below(n);
  if (n == 1) return candidates_[first];
  const size_t second = (first + 1 + random_.below(n - 1)) % n;
  const auto seconds_on = [&](size_t i) {
    return predicted(candidates_[i], request, cached[static_cast<size_t>(candidates_[i])]);
  };
  return candidates_[seconds_on(second) < seconds_on(first) ? second : first];
}

// Smooth: a replica of weight 3 among three others of weight 1 is every second one, not three in a
// row.
ReplicaId Router::next_in_turn() {
  double total = 0;
  ReplicaId best = candidates_.front();
  for (const ReplicaId i : candidates_) {
    total += at(i).weight;
    at(i).turn += at(i).weight;
    if (at(i).turn > at(best).turn) best = i;
  }
  at(best).turn -= total;
  return best;
}

ReplicaId Router::hashed(uint64_t key) const {
  double weights = 0, requests = 1;
  for (const ReplicaId i : candidates_) {
    weights += at(i).weight;
    requests += at(i).num_requests;
  }
  ReplicaId best = -1;
  double best_score = 0;
  for (const ReplicaId i : candidates_) {
    const Replica& r = at(i);
    if (r.num_requests >= std::ceil(kBoundedLoad * requests * r.weight / weights)) continue;
    const uint64_t bits = mix_bits(key ^ splitmix64(static_cast<uint64_t>(i)));
    const double score = -r.weight / std::log((static_cast<double>(bits >> 11) + 0.5) * 0x1p-53);
    if (best >= 0 && score <= best_score) continue;
    best = i;
    best_score = score;
  }
  CHECK(best >= 0);  // the bounds add up to more than the requests
  return best;
}

void Router::weigh(TimePoint now) {
  weighed_ = now;
  std::vector<double> waits;
  double speeds = 0;
  const auto speed = [](const Replica& r) {
    const double seconds = r.capacity.cost.seconds(kUsualStep);
    return seconds > 0 ? 1 / seconds : 1;
  };
  for (const Replica& r : replicas_) {
    if (r.first_tokens > 0) waits.push_back(r.first_tokens);
    speeds += speed(r);
  }
  const double usual_wait = median(std::move(waits)), count = static_cast<double>(replicas_.size());
  for (Replica& r : replicas_) {
    r.weight = speed(r) / (speeds / count);
    if (r.first_tokens > 0)
      r.weight *= std::clamp(usual_wait / r.first_tokens, kLeastFactor, kLargestFactor);
    if (static_cast<double>(r.demand) > kFullCache * static_cast<double>(r.capacity.kv_tokens))
      r.weight /= 2;
  }
}

int Router::expected_output(const RouteRequest& request) const {
  return std::max(1, std::min(request.max_tokens, static_cast<int>(mean_output_)));
}

double Router::predicted(ReplicaId replica, const RouteRequest& request, int num_cached) const {
  const Replica& r = at(replica);
  const ReplicaCapacity& can = r.capacity;
  const int output = expected_output(request), rows = std::min(r.num_requests, can.max_num_seqs);
  const int64_t to_compute = std::max<int64_t>(r.unstarted - r.progress, 0) +
                             std::max(request.prompt_tokens - num_cached, 1);
  const int prompts = static_cast<int>(std::min<int64_t>(to_compute, 1 << 30));
  double first_token = can.cost.seconds({.decode_tokens = rows, .prefill_tokens = prompts});
  // A thousand replicas are compared for one request: whoever has room needs no division.
  if (to_compute > can.step_tokens) {
    const auto steps = static_cast<double>(ceil_div<int64_t>(to_compute, can.step_tokens));
    first_token += (steps - 1) * can.cost.seconds({.decode_tokens = rows});
  }
  const double answer = output * can.cost.seconds({.decode_tokens = rows + 1});
  const int64_t demand = r.demand + request.prompt_tokens + output;
  if (demand <= can.kv_tokens && r.num_requests < can.max_num_seqs) return first_token + answer;
  // Where there are more requests than can run, as many answers as are too many have to end first.
  const double fullness = std::max(static_cast<double>(demand) / static_cast<double>(can.kv_tokens),
                                   (r.num_requests + 1.0) / can.max_num_seqs);
  return first_token + answer * fullness;
}

void Router::place(const RouteRequest& request, ReplicaId replica, int num_cached, TimePoint now) {
  const Placed placed = {.replica = replica,
                         .uncached = std::max(request.prompt_tokens - num_cached, 1),
                         .num_predicted = num_cached,
                         .demand = request.prompt_tokens + expected_output(request),
                         .begin = now};
  const bool added = placed_.emplace(request.id, placed).second;
  CHECK(added, "request {} is placed already", request.id);
  Replica& r = at(replica);
  if (r.num_requests == 0) r.last_progress = now;
  ++r.num_requests;
  r.demand += placed.demand;
  r.unstarted += placed.uncached;
  if (config_.policy == RoutingPolicy::kPrefix)
    index_.touch(replica, request.names, r.capacity.kv_tokens / kPrefixGrain);
}

void Router::join(uint64_t id) {
  if (const auto found = placed_.find(id); found != placed_.end())
    at(found->second.replica).alone = false;
}

void Router::start(Placed& placed) {
  Replica& r = at(placed.replica);
  placed.started = true;
  r.unstarted -= placed.uncached;
}

void Router::first_token(uint64_t id, int num_cached, TimePoint now) {
  const auto found = placed_.find(id);
  if (found == placed_.end() || found->second.started) return;
  Placed& placed = found->second;
  Replica& r = at(placed.replica);
  start(placed);
  const int computed = placed.uncached + placed.num_predicted - num_cached;
  r.progress = std::max<int64_t>(r.progress - computed, 0);
  const double wait = seconds(now - placed.begin);
  r.first_tokens =
      r.first_tokens > 0 ? r.first_tokens + kFirstTokenRate * (wait - r.first_tokens) : wait;
  // What its cache has evicted was touched before all that it still has; these names it has again.
  if (config_.policy == RoutingPolicy::kPrefix)
    index_.forget_oldest(placed.replica, (placed.num_predicted - num_cached) / kPrefixGrain);
}

std::optional<Router::Placed> Router::remove(uint64_t id) {
  const auto found = placed_.find(id);
  if (found == placed_.end()) return std::nullopt;
  if (!found->second.started) start(found->second);
  const Placed placed = found->second;
  placed_.erase(found);
  Replica& r = at(placed.replica);
  --r.num_requests;
  r.alone = false;
  r.demand -= placed.demand;
  if (r.unstarted == 0) r.progress = 0;
  return placed;
}

void Router::done(uint64_t id, Outcome outcome, int num_output, TimePoint now) {
  const std::optional<Placed> placed = remove(id);
  if (!placed) return;
  Breaker& breaker = at(placed->replica).breaker;
  if (outcome == Outcome::kEngineFailed) breaker.bad_answer(now);
  if (outcome != Outcome::kAnswered) return;
  breaker.good_answer(now);
  mean_output_ += kOutputRate * (num_output - mean_output_);
}

void Router::report(ReplicaId replica, const StepWork& work, double seconds, TimePoint now) {
  Replica& r = at(replica);
  r.capacity.cost.learn(work, seconds);
  r.last_progress = now;
  r.progress += work.prefill_tokens;
  r.breaker.good_step(now);
}

std::vector<uint64_t> Router::failed(ReplicaId replica, TimePoint now) {
  std::vector<uint64_t> ids;
  for (const auto& [id, placed] : placed_)
    if (placed.replica == replica) ids.push_back(id);
  std::ranges::sort(ids);
  for (const uint64_t id : ids) remove(id);
  at(replica).breaker.failed(now);
  return ids;
}

void Router::rebuilt(ReplicaId replica, TimePoint now) {
  Replica& r = at(replica);
  r.breaker.rebuilt(now);
  r.progress = 0;
  r.first_tokens = 0;
  index_.clear(replica);
}

std::vector<ReplicaId> Router::stalled(TimePoint now) const {
  std::vector<ReplicaId> found;
  for (ReplicaId i = 0; i < static_cast<ReplicaId>(replicas_.size()); ++i)
    if (at(i).num_requests > 0 && now - at(i).last_progress >= config_.stall_timeout)
      found.push_back(i);
  return found;
}

Breaker::State Router::state(ReplicaId replica, TimePoint now) const {
  return at(replica).breaker.state(now);
}

}  // namespace ember
