// SPDX-License-Identifier: Apache-2.0
#include "ember/server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <atomic>
#include <map>
#include <utility>

namespace ember {

namespace {

using Labels = std::map<std::string, std::string>;
using Buckets = prometheus::Histogram::BucketBoundaries;

// vLLM's buckets, so that its dashboards fit.
const Buckets kTtft = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,  0.25, 0.5,
                       0.75,  1.0,   2.5,  5.0,  7.5,  10.0, 20.0, 40.0, 80.0};
const Buckets kInterToken = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15,
                             0.2,   0.3,    0.4,   0.5,  0.75,  1.0,  2.5,   5.0};
const Buckets kLatency = {0.05, 0.1,  0.3,  0.5,  0.8,  1.0,  1.5,   2.0,   2.5,   5.0,  10.0,
                          15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0};
const Buckets kTokens = {1,   2,    5,    10,   20,    50,    100,   200,
                         500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};
const Buckets kStepTokens = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

// Makes metrics that carry the same labels.
class Labelled {
 public:
  Labelled(Metrics& metrics, Labels labels)
      : registry_(metrics.registry()), labels_(std::move(labels)) {}

  prometheus::Counter& counter(const char* name, const char* help, Labels extra = {}) {
    extra.insert(labels_.begin(), labels_.end());
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(extra);
  }
  prometheus::Gauge& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels_);
  }
  prometheus::Histogram& histogram(const char* name, const char* help, const Buckets& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(labels_,
                                                                                      buckets);
  }

 private:
  prometheus::Registry& registry_;
  const Labels labels_;
};

int64_t whole(const prometheus::Counter& counter) { return static_cast<int64_t>(counter.Value()); }

}  // namespace

Metrics::Metrics(const std::string& version) : registry_(std::make_unique<prometheus::Registry>()) {
  prometheus::BuildGauge()
      .Name("ember_build_info")
      .Help("Always 1; the version is the label.")
      .Register(*registry_)
      .Add({{"version", version}})
      .Set(1);
}
Metrics::~Metrics() = default;

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

class ModelMetrics::Impl {
 public:
  Impl(Metrics& metrics, const std::string& model_name)
      : labelled_(metrics, {{"model_name", model_name}}) {
    for (const char* reason : {"stop", "length", "abort", "error"}) success(reason);
  }

  prometheus::Counter& success(const std::string& reason) {
    return labelled_.counter("vllm:request_success_total", "Sequences that ended, by how.",
                             {{"finished_reason", reason}});
  }
  prometheus::Counter& answers(int status) {
    return labelled_.counter("ember_requests_total",
                             "Answers of the API, by HTTP status; 499: the client was gone.",
                             {{"status", std::to_string(status)}});
  }

 private:
  Labelled labelled_;

 public:
  prometheus::Counter& prompt_tokens = labelled_.counter(
      "vllm:prompt_tokens_total", "Prompt tokens of sequences whose prompt was computed.");
  prometheus::Counter& generation_tokens =
      labelled_.counter("vllm:generation_tokens_total", "Tokens generated.");
  prometheus::Counter& ignored_fields = labelled_.counter(
      "ember_ignored_fields_total", "Hints in requests that were taken and not acted upon.");
  prometheus::Counter& unknown_fields = labelled_.counter(
      "ember_unknown_fields_total", "Request fields that were not known and ignored.");
  prometheus::Histogram& ttft = labelled_.histogram("vllm:time_to_first_token_seconds",
                                                    "From arrival to the first token.", kTtft);
  prometheus::Histogram& inter_token =
      labelled_.histogram("vllm:inter_token_latency_seconds", "Between two tokens.", kInterToken);
  prometheus::Histogram& e2e = labelled_.histogram("vllm:e2e_request_latency_seconds",
                                                   "From arrival to the last token.", kLatency);
  prometheus::Histogram& queue_time = labelled_.histogram(
      "vllm:request_queue_time_seconds", "From arrival to the first step.", kLatency);
  prometheus::Histogram& prefill_time = labelled_.histogram(
      "vllm:request_prefill_time_seconds", "From the first step to the first token.", kLatency);
  prometheus::Histogram& decode_time = labelled_.histogram(
      "vllm:request_decode_time_seconds", "From the first token to the last.", kLatency);
  prometheus::Histogram& request_prompt =
      labelled_.histogram("vllm:request_prompt_tokens", "Prompt tokens of a sequence.", kTokens);
  prometheus::Histogram& request_generation = labelled_.histogram(
      "vllm:request_generation_tokens", "Tokens generated for a sequence.", kTokens);
};

ModelMetrics::ModelMetrics(Metrics& metrics, const std::string& model_name)
    : impl_(std::make_unique<Impl>(metrics, model_name)) {}
ModelMetrics::~ModelMetrics() = default;

void ModelMetrics::prompt_done(int num_prompt_tokens) {
  impl_->prompt_tokens.Increment(num_prompt_tokens);
}

void ModelMetrics::token(const SequenceTimes& before, TimePoint now) {
  impl_->generation_tokens.Increment();
  if (before.first_token == TimePoint{})
    impl_->ttft.Observe(seconds(now - before.arrival));
  else
    impl_->inter_token.Observe(seconds(now - before.last_token));
}

void ModelMetrics::sequence_finished(const std::string& finished_reason, int num_prompt_tokens,
                                     int num_output_tokens, const SequenceTimes& times) {
  impl_->success(finished_reason).Increment();
  if (times.scheduled == TimePoint{}) return;
  impl_->queue_time.Observe(seconds(times.scheduled - times.arrival));
  if (times.first_token == TimePoint{}) return;
  impl_->request_prompt.Observe(num_prompt_tokens);
  impl_->request_generation.Observe(num_output_tokens);
  impl_->prefill_time.Observe(seconds(times.first_token - times.scheduled));
  impl_->decode_time.Observe(seconds(times.last_token - times.first_token));
  impl_->e2e.Observe(seconds(times.last_token - times.arrival));
}

void ModelMetrics::answered(int status) { impl_->answers(status).Increment(); }

void ModelMetrics::ignored_fields(int count) {
  if (count > 0) impl_->ignored_fields.Increment(count);
}

void ModelMetrics::unknown_fields(int count) {
  if (count > 0) impl_->unknown_fields.Increment(count);
}

int64_t ModelMetrics::prompt_tokens() const { return whole(impl_->prompt_tokens); }
int64_t ModelMetrics::generation_tokens() const { return whole(impl_->generation_tokens); }

class EngineMetrics::Impl {
 public:
  Impl(Metrics& metrics, const std::string& model_name, int engine)
      : labelled_(metrics, {{"model_name", model_name}, {"engine", std::to_string(engine)}}) {}

 private:
  Labelled labelled_;

 public:
  prometheus::Gauge& running = labelled_.gauge("vllm:num_requests_running", "Sequences that run.");
  prometheus::Gauge& waiting = labelled_.gauge("vllm:num_requests_waiting", "Sequences that wait.");
  prometheus::Gauge& kv_usage = labelled_.gauge(
      "vllm:kv_cache_usage_perc", "Share of the KV cache's blocks that sequences use, 0 to 1.");
  prometheus::Counter& prefix_queries = labelled_.counter(
      "vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.");
  prometheus::Counter& prefix_hits =
      labelled_.counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.");
  prometheus::Counter& preemptions =
      labelled_.counter("vllm:num_preemptions_total", "Sequences preempted.");
  prometheus::Counter& drafts = labelled_.counter("vllm:spec_decode_num_drafts_total",
                                                  "Drafts, of one or more tokens, verified.");
  prometheus::Counter& draft_tokens =
      labelled_.counter("vllm:spec_decode_num_draft_tokens_total", "Tokens of drafts verified.");
  prometheus::Counter& accepted_tokens = labelled_.counter(
      "vllm:spec_decode_num_accepted_tokens_total", "Tokens of drafts that came true.");
  prometheus::Histogram& iteration_tokens =
      labelled_.histogram("vllm:iteration_tokens_total", "Tokens of one step.", kStepTokens);

  std::atomic<double> tokens_per_second{0};
  // What the engine's thread has counted so far:
  uint64_t seen_queries = 0, seen_hits = 0, seen_preemptions = 0;
  uint64_t seen_drafts = 0, seen_draft_tokens = 0, seen_accepted_tokens = 0;
};

EngineMetrics::EngineMetrics(Metrics& metrics, const std::string& model_name, int engine,
                             OutputSink& next)
    : impl_(std::make_unique<Impl>(metrics, model_name, engine)), next_(next) {}
EngineMetrics::~EngineMetrics() = default;

void EngineMetrics::on_step(std::vector<TokenOutput> events, const StepReport& report) {
  const SchedulerStats& s = report.scheduler;
  impl_->running.Set(s.num_running);
  impl_->waiting.Set(s.num_waiting);
  impl_->kv_usage.Set(s.num_blocks > 0 ? static_cast<double>(s.num_used_blocks) / s.num_blocks : 0);
  const auto advance = [](prometheus::Counter& counter, uint64_t& seen, uint64_t now) {
    if (now < seen) seen = 0;  // the engine was made again
    if (now > seen) counter.Increment(static_cast<double>(now - std::exchange(seen, now)));
  };
  advance(impl_->prefix_queries, impl_->seen_queries, s.prefix_cache_queries);
  advance(impl_->prefix_hits, impl_->seen_hits, s.prefix_cache_hits);
  advance(impl_->preemptions, impl_->seen_preemptions, s.num_preemptions);
  advance(impl_->drafts, impl_->seen_drafts, s.num_drafts);
  advance(impl_->draft_tokens, impl_->seen_draft_tokens, s.num_draft_tokens);
  advance(impl_->accepted_tokens, impl_->seen_accepted_tokens, s.num_accepted_tokens);
  if (report.num_tokens > 0) impl_->iteration_tokens.Observe(report.num_tokens);
  impl_->tokens_per_second.store(report.tokens_per_second, std::memory_order_relaxed);
  next_.on_step(std::move(events), report);
}

EngineLoad EngineMetrics::load() const {
  return {.num_running = static_cast<int>(impl_->running.Value()),
          .num_waiting = static_cast<int>(impl_->waiting.Value()),
          .kv_cache_usage = impl_->kv_usage.Value(),
          .tokens_per_second = impl_->tokens_per_second.load(std::memory_order_relaxed),
          .prefix_cache_queries = whole(impl_->prefix_queries),
          .prefix_cache_hits = whole(impl_->prefix_hits),
          .num_preemptions = whole(impl_->preemptions)};
}

}  // namespace ember
