// SPDX-License-Identifier: Apache-2.0
#include "workload.h"

#include <algorithm>
#include <cmath>

#include "ember/base/splitmix64.h"
#include "ember/routing/prefix_index.h"

namespace ember {

namespace {

constexpr int kSystems = 2000;
constexpr int kShortestSystem = 200, kLongestSystem = 4000;
constexpr double kMeanTurns = 4;
constexpr double kThinkTime = 5;
constexpr int kLongestPrompt = 16384;
constexpr double kMedianMessage = 120, kMedianUniquePrompt = 1000;
constexpr double kShortestOutput = 60, kOutputExponent = 1.5;
constexpr int kLongestOutput = 4096;
constexpr double kBurstFactor = 5, kBurst = 10, kCalm = 40;

int lognormal(Random& random, double median) {
  // Box and Muller's; 1 - uniform() is never 0.
  const double normal = std::sqrt(-2 * std::log1p(-random.uniform())) *
                        std::cos(2 * 3.14159265358979323846 * random.uniform());
  return static_cast<int>(std::clamp(median * std::exp(normal), 1.0, kLongestPrompt / 2.0));
}

int output_length(Random& random) {
  const double length = kShortestOutput * std::pow(1 - random.uniform(), -1 / kOutputExponent);
  return static_cast<int>(std::min<double>(length, kLongestOutput));
}

int turns(Random& random) {
  int n = 0;
  while (random.uniform() >= 1 / kMeanTurns) ++n;
  return n;
}

}  // namespace

Workload::Workload(WorkloadKind kind, double rate, uint64_t seed)
    : kind_(kind),
      rate_(kind == WorkloadKind::kUnique ? rate : rate / kMeanTurns),
      seed_(seed),
      arrivals_(seed) {
  double sum = 0;
  for (int i = 1; i <= kSystems; ++i) system_shares_.push_back(sum += 1.0 / i);  // Zipf's law
}

double Workload::next_gap() {
  if (kind_ != WorkloadKind::kBursts) return arrivals_.exponential(1 / rate_);
  const double calm_rate = rate_ * (kBurst + kCalm) / (kBurst * kBurstFactor + kCalm);
  double passed = 0;
  for (;;) {
    const double gap = arrivals_.exponential(1 / (burst_ ? calm_rate * kBurstFactor : calm_rate));
    if (gap < until_change_) {
      until_change_ -= gap;
      return passed + gap;
    }
    passed += until_change_;
    burst_ = !burst_;
    until_change_ = arrivals_.exponential(burst_ ? kBurst : kCalm);
  }
}

uint64_t Workload::draw_system(Random& random) const {
  const double share = random.uniform() * system_shares_.back();
  const auto found = std::ranges::upper_bound(system_shares_, share);
  return static_cast<uint64_t>(found - system_shares_.begin());
}

Conversation Workload::next_conversation() {
  Conversation c;
  c.id = ++num_conversations_;
  c.random = Random(splitmix64(seed_) ^ mix_bits(c.id));
  if (kind_ == WorkloadKind::kUnique) {
    c.prompt_tokens = lognormal(c.random, kMedianUniquePrompt);
  } else {
    c.system = draw_system(c.random);
    Random of_system(splitmix64(c.system));
    c.system_tokens =
        kShortestSystem +
        static_cast<int>(of_system.below(static_cast<uint64_t>(kLongestSystem - kShortestSystem)));
    c.prompt_tokens = c.system_tokens + lognormal(c.random, kMedianMessage);
    c.turns_left = turns(c.random);
  }
  c.output_tokens = output_length(c.random);
  return c;
}

bool Workload::next_turn(Conversation& c) const {
  c.prompt_tokens += c.output_tokens + lognormal(c.random, kMedianMessage);
  if (c.turns_left == 0 || c.prompt_tokens > kLongestPrompt) return false;
  --c.turns_left;
  c.output_tokens = output_length(c.random);
  return true;
}

double Workload::think_time(Conversation& c) const { return c.random.exponential(kThinkTime); }

std::vector<uint64_t> Workload::names(const Conversation& c, int tokens) {
  std::vector<uint64_t> names;
  for (int end = kPrefixGrain; end <= tokens; end += kPrefixGrain) {
    const uint64_t text = end <= c.system_tokens ? ~c.system : c.id;
    names.push_back(splitmix64(text) ^ mix_bits(static_cast<uint64_t>(end)));
  }
  return names;
}

}  // namespace ember
