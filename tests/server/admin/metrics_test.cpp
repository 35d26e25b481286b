// SPDX-License-Identifier: Apache-2.0
#include "ember/server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ember {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

class Counter final : public OutputSink {
 public:
  void on_step(std::vector<TokenOutput> events, const StepReport&) override {
    num_events += events.size();
  }
  size_t num_events = 0;
};

StepReport report_of(int num_tokens, uint64_t queries, uint64_t hits) {
  StepReport report{.num_tokens = num_tokens, .tokens_per_second = 250};
  report.scheduler.num_running = 3;
  report.scheduler.num_waiting = 2;
  report.scheduler.num_blocks = 4;
  report.scheduler.num_used_blocks = 1;
  report.scheduler.prefix_cache_queries = queries;
  report.scheduler.prefix_cache_hits = hits;
  return report;
}

TEST(Metrics, SaysTheVersion) {
  EXPECT_THAT(Metrics("1.2").text(), HasSubstr("ember_build_info{version=\"1.2\"} 1"));
}

TEST(Metrics, EachModelCountsItsOwn) {
  Metrics metrics("v");
  ModelMetrics a(metrics, "a"), b(metrics, "b");
  a.prompt_done(5);
  a.token({}, Clock::now());
  a.unknown_fields(2);
  b.prompt_done(7);
  b.answered(200);
  EXPECT_EQ(a.prompt_tokens(), 5);
  EXPECT_EQ(a.generation_tokens(), 1);
  EXPECT_EQ(b.prompt_tokens(), 7);
  EXPECT_EQ(b.generation_tokens(), 0);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("vllm:prompt_tokens_total{model_name=\"a\"} 5"));
  EXPECT_THAT(text, HasSubstr("vllm:prompt_tokens_total{model_name=\"b\"} 7"));
  EXPECT_THAT(text, HasSubstr("ember_unknown_fields_total{model_name=\"a\"} 2"));
  EXPECT_THAT(text, HasSubstr("ember_requests_total{model_name=\"b\",status=\"200\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("vllm:request_success_total{finished_reason=\"stop\",model_name=\"a\"} 0"))
      << "there before the first one";
  size_t families = 0;
  for (size_t at = 0; (at = text.find("# TYPE vllm:prompt_tokens_total ", at)) != std::string::npos;
       ++at)
    ++families;
  EXPECT_EQ(families, 1u);
}

TEST(Metrics, ASequencesTimesAreObservedAsFarAsItCame) {
  Metrics metrics("v");
  ModelMetrics model(metrics, "m");
  const TimePoint start = Clock::now();
  SequenceTimes times{.arrival = start, .scheduled = start + milliseconds(100)};
  model.token(times, start + milliseconds(300));
  times.first_token = times.last_token = start + milliseconds(300);
  model.token(times, start + milliseconds(350));
  times.last_token = start + milliseconds(350);
  model.sequence_finished("stop", 9, 2, times);
  model.sequence_finished("abort", 9, 0, {.arrival = start});  // it never ran
  const std::string text = metrics.text();
  const auto has = [&](const std::string& line) { EXPECT_THAT(text, HasSubstr(line + "\n")); };
  has("vllm:request_success_total{finished_reason=\"stop\",model_name=\"m\"} 1");
  has("vllm:request_success_total{finished_reason=\"abort\",model_name=\"m\"} 1");
  has("vllm:time_to_first_token_seconds_count{model_name=\"m\"} 1");
  has("vllm:inter_token_latency_seconds_count{model_name=\"m\"} 1");
  has("vllm:inter_token_latency_seconds_sum{model_name=\"m\"} 0.05");
  has("vllm:request_queue_time_seconds_sum{model_name=\"m\"} 0.1");
  has("vllm:request_prefill_time_seconds_sum{model_name=\"m\"} 0.2");
  has("vllm:e2e_request_latency_seconds_count{model_name=\"m\"} 1");
  has("vllm:request_prompt_tokens_sum{model_name=\"m\"} 9");
  has("vllm:request_generation_tokens_sum{model_name=\"m\"} 2");
}

TEST(EngineMetrics, CountsStepsUnderItsNumberAndPassesEventsOn) {
  Metrics metrics("v");
  Counter next;
  EngineMetrics first(metrics, "m", 0, next), second(metrics, "m", 1, next);
  first.on_step(std::vector<TokenOutput>(3), report_of(7, 20, 10));
  first.on_step({}, report_of(0, 30, 10));
  EXPECT_EQ(next.num_events, 3u);
  const EngineLoad load = first.load();
  EXPECT_EQ(load.num_running, 3);
  EXPECT_EQ(load.num_waiting, 2);
  EXPECT_EQ(load.kv_cache_usage, 0.25);
  EXPECT_EQ(load.tokens_per_second, 250);
  EXPECT_EQ(load.prefix_cache_queries, 30);
  EXPECT_EQ(load.prefix_cache_hits, 10);
  EXPECT_EQ(second.load().num_running, 0);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.25"));
  EXPECT_THAT(text, HasSubstr("vllm:kv_cache_usage_perc{engine=\"1\",model_name=\"m\"} 0"));
  EXPECT_THAT(text, HasSubstr("vllm:iteration_tokens_total_sum{engine=\"0\",model_name=\"m\"} 7"));
  EXPECT_THAT(text,
              HasSubstr("vllm:iteration_tokens_total_count{engine=\"0\",model_name=\"m\"} 1"));
}

}  // namespace
}  // namespace ember
