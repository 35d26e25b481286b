// SPDX-License-Identifier: Apache-2.0
#include "load_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace ember {

namespace {

double mean(const std::vector<double>& values) {
  return values.empty() ? 0
                        : std::accumulate(values.begin(), values.end(), 0.0) /
                              static_cast<double>(values.size());
}

}  // namespace

std::vector<double> arrival_times(int n, double rate, uint64_t seed) {
  std::vector<double> times(static_cast<size_t>(n), 0.0);
  if (rate <= 0) return times;
  std::mt19937_64 random(seed);
  std::exponential_distribution<double> pause(rate);
  for (size_t i = 1; i < times.size(); ++i) times[i] = times[i - 1] + pause(random);
  return times;
}

std::vector<int32_t> random_prompt(int length, int vocab_size, uint64_t seed, int index) {
  std::seed_seq mixed{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                      static_cast<uint32_t>(index)};
  std::mt19937 random(mixed);
  std::uniform_int_distribution<int32_t> id(0, vocab_size - 1);
  std::vector<int32_t> prompt(static_cast<size_t>(length));
  for (int32_t& token : prompt) token = id(random);
  return prompt;
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - std::floor(at)) * (values[above] - values[below]);
}

LoadReport::LoadReport(const std::vector<RequestTiming>& requests, double duration)
    : duration_(duration) {
  for (const RequestTiming& r : requests) {
    if (!r.error.empty()) {
      ++errors_[r.error];
      continue;
    }
    ++completed_;
    input_tokens_ += r.input_tokens;
    output_tokens_ += r.output_tokens;
    ttft_.push_back(r.first_token * 1e3);
    e2el_.push_back(r.total * 1e3);
    if (r.output_tokens > 1)
      tpot_.push_back((r.total - r.first_token) * 1e3 / (r.output_tokens - 1));
    for (const double gap : r.gaps) itl_.push_back(gap * 1e3);
  }
}

nlohmann::ordered_json LoadReport::json() const {
  const double per_second = duration_ > 0 ? 1 / duration_ : 0;
  nlohmann::ordered_json json = {
      {"duration", duration_},
      {"completed", completed_},
      {"failed", 0},
      {"total_input_tokens", input_tokens_},
      {"total_output_tokens", output_tokens_},
      {"request_throughput", completed_ * per_second},
      {"output_throughput", static_cast<double>(output_tokens_) * per_second},
      {"total_token_throughput", static_cast<double>(input_tokens_ + output_tokens_) * per_second}};
  for (const auto& [name, values] : {std::pair("ttft", &ttft_), std::pair("tpot", &tpot_),
                                     std::pair("itl", &itl_), std::pair("e2el", &e2el_)}) {
    json[fmt::format("mean_{}_ms", name)] = mean(*values);
    json[fmt::format("median_{}_ms", name)] = percentile(*values, 0.5);
    json[fmt::format("p90_{}_ms", name)] = percentile(*values, 0.9);
    json[fmt::format("p99_{}_ms", name)] = percentile(*values, 0.99);
  }
  json["errors"] = nlohmann::ordered_json::object();
  for (const auto& [error, count] : errors_) {
    json["errors"][error] = count;
    json["failed"] = json["failed"].get<int>() + count;
  }
  return json;
}

std::string LoadReport::table() const {
  const nlohmann::ordered_json values = json();
  std::string text;
  const auto line = [&](const std::string& name, const std::string& value) {
    text += fmt::format("{:<40} {:>12}\n", name + ":", value);
  };
  const auto integer = [&](const char* name, const char* key) {
    line(name, fmt::format("{}", values[key].get<int64_t>()));
  };
  const auto number = [&](const std::string& name, const std::string& key) {
    line(name, fmt::format("{:.2f}", values[key].get<double>()));
  };
  text += fmt::format("{:=^53}\n", " Serving Benchmark Result ");
  integer("Successful requests", "completed");
  integer("Failed requests", "failed");
  for (const auto& [error, count] : errors_) text += fmt::format("  {} x {}\n", count, error);
  number("Benchmark duration (s)", "duration");
  integer("Total input tokens", "total_input_tokens");
  integer("Total generated tokens", "total_output_tokens");
  number("Request throughput (req/s)", "request_throughput");
  number("Output token throughput (tok/s)", "output_throughput");
  number("Total token throughput (tok/s)", "total_token_throughput");
  const struct {
    const char *title, *name, *key;
  } times[] = {{" Time to First Token ", "TTFT", "ttft"},
               {" Time per Output Token (excl. 1st token) ", "TPOT", "tpot"},
               {" Inter-token Latency ", "ITL", "itl"},
               {" End-to-end Latency ", "E2EL", "e2el"}};
  for (const auto& t : times) {
    text += fmt::format("{:-^53}\n", t.title);
    for (const auto& [label, key] : {std::pair("Mean", "mean"), std::pair("Median", "median"),
                                     std::pair("P90", "p90"), std::pair("P99", "p99")})
      number(fmt::format("{} {} (ms)", label, t.name), fmt::format("{}_{}_ms", key, t.key));
  }
  return text + std::string(53, '=') + "\n";
}

}  // namespace ember
