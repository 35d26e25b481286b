// SPDX-License-Identifier: Apache-2.0
#include "exact_replica.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "ember/base/check.h"
#include "ember/base/splitmix64.h"

namespace ember {

namespace {

constexpr int kBlockSize = 16;
constexpr int kLongestText = 32768;

int32_t token_at(const Job& job, int position) {
  const uint64_t text = position < job.system_tokens ? ~job.system : job.id;
  const uint64_t bits = splitmix64(text) ^ mix_bits(static_cast<uint64_t>(position) + 1);
  return static_cast<int32_t>(mix_bits(bits) >> 33);
}

}  // namespace

ExactReplica::ExactReplica(const ReplicaSpec& spec, double speed) : spec_(spec), speed_(speed) {
  restart();
}

void ExactReplica::restart() {
  scheduler_.reset();
  pool_ = std::make_unique<BlockPool>(BlockPoolConfig{
      .num_blocks = static_cast<int>(spec_.kv_tokens / kBlockSize), .block_size = kBlockSize});
  scheduler_ = std::make_unique<Scheduler>(
      SchedulerConfig{.max_num_batched_tokens = spec_.step_tokens,
                      .max_num_seqs = spec_.max_num_seqs,
                      .max_num_logit_rows = spec_.max_num_seqs,
                      .max_model_len = kLongestText,
                      .max_num_queued_reqs = std::numeric_limits<int>::max()},
      *pool_);
}

void ExactReplica::submit(Job job) {
  Request request = {.id = job.id, .max_tokens = job.output_tokens};
  request.prompt.reserve(static_cast<size_t>(job.prompt_tokens));
  for (int i = 0; i < job.prompt_tokens; ++i) request.prompt.push_back(token_at(job, i));
  // Nobody in a fleet has a deadline, so the scheduler needs no time.
  CHECK(scheduler_->submit(share(std::move(request)), TimePoint{}).ok());
  const uint64_t id = job.id;
  jobs_.emplace(id, Running{.job = std::move(job)});
}

std::optional<FleetReplica::Step> ExactReplica::begin_step() {
  step_ = &scheduler_->schedule(TimePoint{});
  if (step_->seqs.empty()) return std::nullopt;
  Step step;
  step.work = {.decode_tokens = step_->num_decode_tokens,
               .prefill_tokens = step_->num_tokens - step_->num_decode_tokens};
  step.seconds = spec_.seconds(step.work) / speed_;
  return step;
}

const FleetReplica::Ended& ExactReplica::end_step() {
  ended_.first_tokens.clear();
  ended_.done.clear();
  std::vector<SampledToken> sampled;
  for (const ScheduledSequence& part : step_->seqs)
    for (int row = 0; row < part.num_logit_rows; ++row)
      sampled.push_back({.token = token_at(jobs_.at(part.seq->request->id).job,
                                           part.first_row_position + row + 1)});
  scheduler_->commit(*step_, sampled);
  take_events();
  return ended_;
}

void ExactReplica::take_events() {
  events_.clear();
  scheduler_->take_events(events_);
  for (const TokenOutput& event : events_) {
    const auto found = jobs_.find(event.request_id);
    if (event.token >= 0 && found->second.num_output++ == 0)
      ended_.first_tokens.push_back({event.request_id, event.num_cached_tokens});
    if (event.finish == FinishReason::kNone) continue;
    ended_.done.push_back(event.request_id);
    jobs_.erase(found);
  }
}

std::vector<FleetReplica::Lost> ExactReplica::fail() {
  std::vector<Lost> lost;
  for (const auto& [id, running] : jobs_) lost.push_back({id, running.num_output});
  jobs_.clear();
  restart();
  return lost;
}

}  // namespace ember
