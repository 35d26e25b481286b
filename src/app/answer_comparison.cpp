// SPDX-License-Identifier: Apache-2.0
#include "answer_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ember {

namespace {

// Of the reference's two best tokens.
double margin(const TokenOutput& event) {
  return event.top_logprobs.size() < 2
             ? INFINITY
             : double{event.top_logprobs[0].logprob} - double{event.top_logprobs[1].logprob};
}

AnswerComparison compare(const std::vector<BenchEngine::Answer>& reference,
                         const std::vector<BenchEngine::Answer>& tested, double tolerance) {
  AnswerComparison c;
  c.right = reference.size() == tested.size();
  for (size_t a = 0; a < std::min(reference.size(), tested.size()); ++a) {
    const std::vector<TokenOutput>&want = reference[a].events, &got = tested[a].events;
    c.tokens += static_cast<int>(want.size());
    c.right = c.right && want.size() == got.size();
    for (size_t i = 0; i < std::min(want.size(), got.size()); ++i) {
      const double difference = std::abs(double{want[i].logprob} - double{got[i].logprob});
      const bool same_token = want[i].token == got[i].token,
                 same = same_token && difference <= tolerance;
      if (!same && c.first_difference.empty())
        c.first_difference = fmt::format(
            "answer {}, token {}: {} instead of {}, log probability {} instead of {}, the two best "
            "are {} apart",
            a, i, got[i].token, want[i].token, got[i].logprob, want[i].logprob, margin(want[i]));
      c.right = c.right && (same || (!same_token && margin(want[i]) < tolerance));
      if (!same_token) break;  // from here on the texts differ
      ++c.equal;
      c.largest_difference = std::max(c.largest_difference, difference);
    }
  }
  return c;
}

}  // namespace

nlohmann::ordered_json AnswerComparison::json() const {
  return {{"right", right},
          {"tokens", tokens},
          {"equal", equal},
          {"largest_difference", largest_difference},
          {"first_difference", first_difference}};
}

AnswerComparison compare_greedy(const std::vector<BenchEngine::Answer>& reference,
                                const std::vector<BenchEngine::Answer>& tested, double tolerance) {
  AnswerComparison c = compare(reference, tested, tolerance);
  c.right = c.right && 2 * c.equal > c.tokens;
  return c;
}

AnswerComparison compare_bits(const std::vector<BenchEngine::Answer>& reference,
                              const std::vector<BenchEngine::Answer>& tested) {
  return compare(reference, tested, 0);
}

}  // namespace ember
