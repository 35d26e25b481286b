// SPDX-License-Identifier: Apache-2.0
#include "replica_model.h"

#include <algorithm>
#include <span>

namespace ember {

bool ReplicaModel::fits(const Job& job, int num_cached) const {
  const auto running = static_cast<int>(prompts_.size() + answers_.size());
  if (running >= spec_.max_num_seqs) return false;
  const auto shared = static_cast<size_t>(num_cached / kPrefixGrain);
  int64_t more = job.prompt_tokens + job.output_tokens;
  for (size_t i = 0; i < shared; ++i)
    if (held_.find(job.names[i]) >= 0) more -= kPrefixGrain;
  return own_ + static_cast<int64_t>(held_.size()) * kPrefixGrain + more <= spec_.kv_tokens;
}

int ReplicaModel::find_cached(const Job& job) {
  const auto whole = static_cast<size_t>(job.prompt_tokens / kPrefixGrain);
  const std::span names(job.names.data(), std::min(whole, job.names.size()));
  // The last token is always computed.
  return std::min(cache_.matches(names)[0] * kPrefixGrain, job.prompt_tokens - 1);
}

void ReplicaModel::hold(Running& r, int num_tokens) {
  const auto whole = static_cast<size_t>(num_tokens / kPrefixGrain);
  const size_t end = std::min(whole, r.job.names.size());
  for (; r.num_held < end; ++r.num_held) {
    const uint64_t name = r.job.names[r.num_held];
    const auto place = held_.find(name);
    ++held_.at(place >= 0 ? place : held_.insert(name));
    own_ -= kPrefixGrain;
  }
  publish(r.job, end);
}

void ReplicaModel::publish(const Job& job, size_t num_names) {
  const std::span names(job.names.data(), num_names);
  cache_.touch(0, names, (spec_.kv_tokens - own_) / kPrefixGrain);
}

void ReplicaModel::admit() {
  int64_t planned = 0;
  for (const Running& r : prompts_) planned += r.to_compute;
  while (!waiting_.empty() && planned < budget_) {
    const int num_cached = find_cached(waiting_.front());
    if (!fits(waiting_.front(), num_cached)) return;
    Running r = {.job = std::move(waiting_.front()), .num_cached = num_cached};
    waiting_.pop_front();
    r.to_compute = r.job.prompt_tokens - num_cached;
    planned += r.to_compute;
    own_ += r.job.prompt_tokens + r.job.output_tokens;
    hold(r, num_cached);
    prompts_.push_back(std::move(r));
  }
}

std::optional<FleetReplica::Step> ReplicaModel::begin_step() {
  Step step;
  step.work.decode_tokens = static_cast<int>(answers_.size());
  budget_ = std::max(spec_.step_tokens - step.work.decode_tokens, 0);
  admit();
  int64_t prompts = 0;
  for (const Running& r : prompts_) prompts += r.to_compute;
  step.work.prefill_tokens = static_cast<int>(std::min<int64_t>(prompts, budget_));
  if (step.work.decode_tokens + step.work.prefill_tokens == 0) return std::nullopt;
  step.seconds = spec_.seconds(step.work) / speed_;
  return step;
}

void ReplicaModel::finish(const Running& r) {
  own_ -= r.job.prompt_tokens + r.job.output_tokens;
  for (size_t i = 0; i < r.num_held; ++i) {
    const auto place = held_.find(r.job.names[i]);
    own_ += kPrefixGrain;
    if (--held_.at(place) == 0) held_.erase(place);
  }
  publish(r.job, r.job.names.size());
  ended_.done.push_back(r.job.id);
}

const FleetReplica::Ended& ReplicaModel::end_step() {
  ended_.first_tokens.clear();
  ended_.done.clear();
  ++num_steps_;
  while (!answers_.empty() && answers_.front().last_step() == num_steps_) {
    std::ranges::pop_heap(answers_, EndsLater());
    finish(answers_.back());
    answers_.pop_back();
  }
  int left = budget_;
  while (!prompts_.empty() && left > 0) {
    Running& r = prompts_.front();
    const int computed = std::min(left, r.to_compute);
    r.to_compute -= computed;
    left -= computed;
    if (r.to_compute > 0) break;
    r.first_step = num_steps_;
    ended_.first_tokens.push_back({r.job.id, r.num_cached});
    hold(r, r.job.prompt_tokens);
    if (r.job.output_tokens == 1) {
      finish(r);
    } else {
      answers_.push_back(std::move(r));
      std::ranges::push_heap(answers_, EndsLater());
    }
    prompts_.pop_front();
  }
  return ended_;
}

std::vector<FleetReplica::Lost> ReplicaModel::fail() {
  std::vector<Lost> lost;
  for (const Job& job : waiting_) lost.push_back({job.id, 0});
  for (const Running& r : prompts_) lost.push_back({r.job.id, 0});
  for (const Running& r : answers_)
    lost.push_back({r.job.id, static_cast<int>(num_steps_ - r.first_step) + 1});
  waiting_.clear();
  prompts_.clear();
  answers_.clear();
  held_ = {};
  own_ = 0;
  cache_.clear(0);
  return lost;
}

}  // namespace ember
