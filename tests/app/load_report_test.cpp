// SPDX-License-Identifier: Apache-2.0
#include "load_report.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ember {
namespace {

TEST(LoadReport, PercentilesAreNumpys) {
  EXPECT_EQ(percentile({}, 0.5), 0);
  EXPECT_EQ(percentile({7}, 0.99), 7);
  EXPECT_DOUBLE_EQ(percentile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(percentile({4, 1, 3, 2}, 0.9), 3.7);
  EXPECT_DOUBLE_EQ(percentile({4, 1, 3, 2}, 1.0), 4);
}

TEST(LoadReport, ArrivalsHaveTheRateAndTheSeedDecides) {
  EXPECT_EQ(arrival_times(3, 0, 1), (std::vector<double>{0, 0, 0}));
  const std::vector<double> times = arrival_times(10001, 50, 1);
  EXPECT_EQ(times.front(), 0);
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  EXPECT_NEAR(times.back(), 200, 10);
  EXPECT_EQ(times, arrival_times(10001, 50, 1));
  EXPECT_NE(times, arrival_times(10001, 50, 2));
}

TEST(LoadReport, PromptsDifferAndStayBelowTheLimit) {
  const std::vector<int32_t> prompt = random_prompt(1000, 10, 3, 0);
  ASSERT_EQ(prompt.size(), 1000u);
  EXPECT_EQ(*std::ranges::min_element(prompt), 0);
  EXPECT_EQ(*std::ranges::max_element(prompt), 9);
  EXPECT_EQ(prompt, random_prompt(1000, 10, 3, 0));
  EXPECT_NE(prompt, random_prompt(1000, 10, 3, 1));
  EXPECT_NE(prompt, random_prompt(1000, 10, 4, 0));
}

const std::vector<RequestTiming> kRequests = {
    {.input_tokens = 10, .output_tokens = 3, .first_token = 0.1, .total = 0.5, .gaps = {0.1, 0.3}},
    {.error = "429: full",
     .input_tokens = 99,
     .output_tokens = 99,
     .first_token = 99,
     .total = 99,
     .gaps = {99}},
    {.input_tokens = 20, .output_tokens = 1, .first_token = 0.3, .total = 0.3},
    {.error = "429: full"},
    {.error = "the stream ended early"},
};

TEST(LoadReport, CountsAnswersAndErrorsApart) {
  const nlohmann::ordered_json json = LoadReport(kRequests, 2).json();
  EXPECT_EQ(json["completed"], 2);
  EXPECT_EQ(json["failed"], 3);
  EXPECT_EQ(json["errors"],
            nlohmann::ordered_json::parse(R"({"429: full": 2, "the stream ended early": 1})"));
  EXPECT_EQ(json["total_input_tokens"], 30);
  EXPECT_EQ(json["total_output_tokens"], 4);
  EXPECT_EQ(json["request_throughput"], 1);
  EXPECT_EQ(json["output_throughput"], 2);
  EXPECT_EQ(json["total_token_throughput"], 17);
  EXPECT_DOUBLE_EQ(json["median_ttft_ms"], 200);
  EXPECT_DOUBLE_EQ(json["mean_tpot_ms"], 200) << "an answer of one token has no second one";
  EXPECT_DOUBLE_EQ(json["median_itl_ms"], 200);
  EXPECT_DOUBLE_EQ(json["p90_e2el_ms"], 480);
}

TEST(LoadReport, TheTableHoldsTheSame) {
  const std::string table = LoadReport(kRequests, 2).table();
  for (const char* text :
       {"Successful requests:", "Failed requests:", "2 x 429: full",
        "P99 TTFT (ms):", "Median ITL (ms):", "Mean TPOT (ms):", "P90 E2EL (ms):", "480.00"})
    EXPECT_NE(table.find(text), std::string::npos) << text << "\n" << table;
}

TEST(LoadReport, NothingAnswered) { EXPECT_EQ(LoadReport({}, 0).json()["completed"], 0); }

}  // namespace
}  // namespace ember
