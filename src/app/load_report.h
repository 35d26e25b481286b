// SPDX-License-Identifier: Apache-2.0
// The requests of a load test, and the statistics of its results. No network, no clock.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ember {

// When each of n requests arrives, in seconds: a Poisson process of `rate` per second, or all at 0
// for a rate of 0.
std::vector<double> arrival_times(int n, double rate, uint64_t seed);
// Token ids below vocab_size; another prompt for each index.
std::vector<int32_t> random_prompt(int length, int vocab_size, uint64_t seed, int index);
// Linear between the two nearest, as numpy does it; 0 for no values. share: 0 to 1.
double percentile(std::vector<double> values, double share);

// The timings of one request. Times in seconds since it was sent.
struct RequestTiming {
  std::string error;  // empty: a whole answer
  int input_tokens = 0, output_tokens = 0;
  double first_token = 0, total = 0;
  std::vector<double> gaps;  // between two chunks of tokens
};

// Sums and percentiles over the requests; names as vLLM's benchmark has them.
class LoadReport {
 public:
  LoadReport(const std::vector<RequestTiming>& requests, double duration);

  int completed() const { return completed_; }
  nlohmann::ordered_json json() const;
  std::string table() const;

 private:
  double duration_;
  int completed_ = 0;
  int64_t input_tokens_ = 0, output_tokens_ = 0;
  std::map<std::string, int> errors_;
  std::vector<double> ttft_, tpot_, itl_, e2el_;  // milliseconds
};

}  // namespace ember
