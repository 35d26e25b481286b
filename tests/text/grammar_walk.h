// SPDX-License-Identifier: Apache-2.0
// Texts by a grammar, found by random choices among the tokens that are allowed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "ember/text/grammar.h"

namespace ember::test {

inline std::vector<int32_t> allowed_ids(TokenConstraint& constraint,
                                        std::span<const int32_t> output, int32_t vocab_size) {
  std::vector<uint32_t> words((static_cast<size_t>(vocab_size) + 31) / 32 + 1, ~0u);
  constraint.next_mask(output, words);
  std::vector<int32_t> ids;
  for (size_t id = 0; id < words.size() * 32; ++id)
    if ((words[id / 32] >> (id % 32) & 1) != 0) ids.push_back(static_cast<int32_t>(id));
  return ids;
}

// What is allowed token by token along `text`, whose tokens are those of `tokenizer`; true if all
// of it is, and an end after it.
inline bool accepts(const Grammar& grammar, const Tokenizer& tokenizer, const std::string& text,
                    int32_t eos) {
  const std::shared_ptr<TokenConstraint> constraint = grammar.start();
  std::vector<int32_t> ids = tokenizer.encode(text, {.add_special_tokens = false}).value(), output;
  ids.push_back(eos);
  for (const int32_t id : ids) {
    const std::vector<int32_t> allowed = allowed_ids(*constraint, output, tokenizer.vocab_size());
    if (!std::binary_search(allowed.begin(), allowed.end(), id)) return false;
    output.push_back(id);
  }
  return true;
}

// A random text; nullopt: not finished after `max_tokens`, or the constraint failed. An end is
// taken where it is allowed.
inline std::optional<std::string> random_walk(const Grammar& grammar, const Tokenizer& tokenizer,
                                              int32_t eos, int max_tokens, std::mt19937_64& rng) {
  const std::shared_ptr<TokenConstraint> constraint = grammar.start();
  std::vector<int32_t> output;
  std::string text;
  for (int i = 0; i < max_tokens; ++i) {
    const std::vector<int32_t> allowed = allowed_ids(*constraint, output, tokenizer.vocab_size());
    if (allowed.empty()) return std::nullopt;
    const bool may_end = std::binary_search(allowed.begin(), allowed.end(), eos);
    output.push_back(may_end ? eos : allowed[rng() % allowed.size()]);
    if (may_end) return text;
    text += tokenizer.token_bytes(output.back());
  }
  return std::nullopt;
}

// What came of a walk: a dead one may not go on and is not finished.
struct Walk {
  enum class End : uint8_t { kFinished, kOpen, kDead };
  End end = End::kOpen;
  std::string text;
};

// A random text in which tokens that hold a byte of `favoured` are taken three times in four where
// they are allowed, as a logit bias does it.
inline Walk favoured_walk(const Grammar& grammar, const Tokenizer& tokenizer, int32_t eos,
                          const std::string& favoured, int max_tokens, std::mt19937_64& rng) {
  const std::shared_ptr<TokenConstraint> constraint = grammar.start();
  std::vector<int32_t> output;
  Walk walk;
  for (int i = 0; i < max_tokens; ++i) {
    std::vector<int32_t> allowed = allowed_ids(*constraint, output, tokenizer.vocab_size());
    if (allowed.empty()) return {Walk::End::kDead, walk.text};
    std::vector<int32_t> liked;
    for (const int32_t id : allowed)
      if (tokenizer.token_bytes(id).find_first_of(favoured) != std::string::npos)
        liked.push_back(id);
    if (!liked.empty() && rng() % 4 != 0) allowed = liked;
    const bool may_end = std::binary_search(allowed.begin(), allowed.end(), eos);
    output.push_back(may_end && rng() % 2 == 0 ? eos : allowed[rng() % allowed.size()]);
    if (output.back() == eos) return {Walk::End::kFinished, walk.text};
    walk.text += tokenizer.token_bytes(output.back());
  }
  return walk;
}

}  // namespace ember::test
