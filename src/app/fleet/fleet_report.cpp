// SPDX-License-Identifier: Apache-2.0
#include "fleet_report.h"

#include <fmt/format.h>

#include "load_report.h"

namespace ember {

namespace {

double share(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0;
}

}  // namespace

void FleetReport::add(std::string_view policy, const FleetResult& r) {
  rows_.push_back({
      {"policy", policy},
      {"requests", r.requests},
      {"completed", r.completed},
      {"errors", r.errors},
      {"unanswered", r.unanswered},
      {"ttft_p50_ms", percentile(r.ttft, 0.5) * 1e3},
      {"ttft_p99_ms", percentile(r.ttft, 0.99) * 1e3},
      {"tpot_p99_ms", percentile(r.tpot, 0.99) * 1e3},
      {"goodput_per_s", static_cast<double>(r.good) / duration_},
      {"goodput_percent", share(r.good, r.requests)},
      {"cache_hit_percent", share(r.cached_tokens, r.prompt_tokens)},
      {"imbalance", r.imbalance},
      {"crashes", r.crashes},
      {"hangs", r.hangs},
      {"replayed", r.replayed},
      {"us_per_choice",
       r.choices > 0 ? r.choice_seconds * 1e6 / static_cast<double>(r.choices) : 0.0},
      {"trace", fmt::format("{:016x}", r.trace)},
  });
}

std::string FleetReport::table() const {
  std::string text =
      fmt::format("{:<13}{:>9}{:>8}{:>12}{:>10}{:>10}{:>10}{:>11}{:>7}{:>7}{:>11}\n", "policy",
                  "requests", "errors", "unanswered", "TTFT p50", "TTFT p99", "TPOT p99",
                  "goodput/s", "good%", "hits%", "imbalance");
  for (const auto& row : rows_)
    text += fmt::format(
        "{:<13}{:>9}{:>8}{:>12}{:>10.0f}{:>10.0f}{:>10.1f}{:>11.1f}{:>7.1f}{:>7.1f}"
        "{:>11.2f}\n",
        row["policy"].get<std::string>(), row["requests"].get<int64_t>(),
        row["errors"].get<int64_t>(), row["unanswered"].get<int64_t>(),
        row["ttft_p50_ms"].get<double>(), row["ttft_p99_ms"].get<double>(),
        row["tpot_p99_ms"].get<double>(), row["goodput_per_s"].get<double>(),
        row["goodput_percent"].get<double>(), row["cache_hit_percent"].get<double>(),
        row["imbalance"].get<double>());
  return text;
}

}  // namespace ember
