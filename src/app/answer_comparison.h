// SPDX-License-Identifier: Apache-2.0
// Compares the answers of two devices, or those of one device alone and in a batch.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench_engine.h"

namespace ember {

struct AnswerComparison {
  int tokens = 0;                 // of the reference
  int equal = 0;                  // of them, up to the first difference of each answer
  double largest_difference = 0;  // of the log probabilities of equal tokens
  std::string first_difference;   // empty: none
  bool right = true;

  nlohmann::ordered_json json() const;
};

// Greedy answers with two log probabilities a token, by other arithmetic: they are right when log
// probabilities differ by at most `tolerance`, other tokens come only where the reference's two
// best are closer than that, and more than half of the tokens are equal.
AnswerComparison compare_greedy(const std::vector<BenchEngine::Answer>& reference,
                                const std::vector<BenchEngine::Answer>& tested, double tolerance);

// Right when tokens and the bits of their log probabilities are equal.
AnswerComparison compare_bits(const std::vector<BenchEngine::Answer>& reference,
                              const std::vector<BenchEngine::Answer>& tested);

}  // namespace ember
