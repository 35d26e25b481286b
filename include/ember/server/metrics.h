// SPDX-License-Identifier: Apache-2.0
// What is counted, under the names that dashboards of vLLM read, and some of Ember's own.
#pragma once

#include <memory>
#include <string>

#include "ember/base/clock.h"
#include "ember/engine/engine.h"

namespace ember {

// What one sequence (a request, or one of its n) went through.
struct SequenceTimes {
  TimePoint arrival{}, scheduled{}, first_token{}, last_token{};  // TimePoint{}: did not happen
};

// How busy the server is, and what it has done since its start.
struct Load {
  int num_running = 0, num_waiting = 0;
  double kv_cache_usage = 0;  // share of the blocks that sequences use
  int64_t prompt_tokens = 0, generation_tokens = 0;
  int64_t prefix_cache_queries = 0, prefix_cache_hits = 0, num_preemptions = 0;
};

// Any thread. Counts at the change of state, exact to the token.
class Metrics {
 public:
  Metrics(const std::string& model_name, const std::string& version);
  ~Metrics();

  void step(const StepReport& report);
  // The sequence's prompt has been computed and its first token is there, or it needs none.
  void prompt_done(int num_prompt_tokens);
  void token(const SequenceTimes& before, TimePoint now);
  // finished_reason: stop, length, abort or error.
  void sequence_finished(const std::string& finished_reason, int num_prompt_tokens,
                         int num_output_tokens, const SequenceTimes& times);
  // One answer of any endpoint. outcome: its HTTP status.
  void answered(int status);
  void unknown_fields(int count);

  Load load() const;
  // The text format of Prometheus.
  std::string text() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember
