// SPDX-License-Identifier: Apache-2.0
// What is counted, under the names that dashboards of vLLM read, and some of Ember's own. One
// registry for the process; each model and each engine counts under its own labels.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ember/base/clock.h"
#include "ember/engine/generator.h"

namespace prometheus {
class Registry;
}

namespace ember {

// Any thread. Outlives all who count in it.
class Metrics {
 public:
  explicit Metrics(const std::string& version);
  ~Metrics();

  prometheus::Registry& registry() { return *registry_; }
  // The text format of Prometheus.
  std::string text() const;

 private:
  const std::unique_ptr<prometheus::Registry> registry_;
};

// What one sequence (a request, or one of its n) went through.
struct SequenceTimes {
  TimePoint arrival{}, scheduled{}, first_token{}, last_token{};  // TimePoint{}: did not happen
};

// The answers of one model: label model_name. Any thread. Counts at the change of state, exact to
// the token.
class ModelMetrics {
 public:
  ModelMetrics(Metrics& metrics, const std::string& model_name);
  ~ModelMetrics();

  // The sequence's prompt has been computed and its first token is there, or it needs none.
  void prompt_done(int num_prompt_tokens);
  void token(const SequenceTimes& before, TimePoint now);
  // finished_reason: stop, length, abort or error.
  void sequence_finished(const std::string& finished_reason, int num_prompt_tokens,
                         int num_output_tokens, const SequenceTimes& times);
  // One answer of any endpoint. outcome: its HTTP status.
  void answered(int status);
  // Of requests: fields that are not known, and hints that were not acted upon.
  void unknown_fields(int count);
  void ignored_fields(int count);

  int64_t prompt_tokens() const;
  int64_t generation_tokens() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

// How busy an engine is, and what it has done since its start.
struct EngineLoad {
  int num_running = 0, num_waiting = 0;
  double kv_cache_usage = 0;     // share of the blocks that sequences use
  double tokens_per_second = 0;  // see StepReport
  int64_t prefix_cache_queries = 0, prefix_cache_hits = 0, num_preemptions = 0;
};

// The steps of one engine of one model: labels model_name and engine. It is the engine's sink:
// counts what it reports, and passes everything on.
class EngineMetrics final : public OutputSink {
 public:
  // `next` outlives this.
  EngineMetrics(Metrics& metrics, const std::string& model_name, int engine, OutputSink& next);
  ~EngineMetrics() override;

  void on_step(std::vector<TokenOutput> events, const StepReport& report) override;
  EngineLoad load() const;  // any thread

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
  OutputSink& next_;
};

}  // namespace ember
