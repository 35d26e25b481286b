// SPDX-License-Identifier: Apache-2.0
#include "ember/text/stop_matcher.h"

#include <gtest/gtest.h>

#include "text/fixtures.h"

namespace ember {
namespace {

struct Outcome {
  std::string text;
  std::optional<std::string> stop;
  bool operator==(const Outcome&) const = default;
};

// The text looked at as a whole, after each further byte.
Outcome oracle(const std::string& text, const std::vector<std::string>& stops, bool include_stop) {
  for (size_t end = 1; end <= text.size(); ++end)
    for (const std::string& stop : stops)
      if (!stop.empty() && std::string_view(text).substr(0, end).ends_with(stop))
        return {text.substr(0, include_stop ? end : end - stop.size()), stop};
  return {text, std::nullopt};
}

Outcome in_pieces(const std::vector<std::string>& pieces, const std::vector<std::string>& stops,
                  bool include_stop) {
  StopMatcher matcher(stops, include_stop);
  Outcome outcome;
  for (const std::string& piece : pieces) {
    const StopMatcher::Match match = matcher.push(piece);
    outcome.text += match.text;
    if (match.stop) {
      outcome.stop = match.stop;
      return outcome;
    }
  }
  outcome.text += matcher.flush();
  return outcome;
}

TEST(StopMatcher, HoldsBackABeginning) {
  StopMatcher matcher({"</end>"}, false);
  EXPECT_EQ(matcher.push("x</e").text, "x");
  EXPECT_EQ(matcher.push("n!").text, "</en!");
  EXPECT_EQ(matcher.push("</en").text, "");
  const StopMatcher::Match match = matcher.push("d> more");
  EXPECT_EQ(match.text, "");
  EXPECT_EQ(match.stop, "</end>");
  EXPECT_EQ(matcher.flush(), "");
}

TEST(StopMatcher, NoStopsHoldNothing) {
  StopMatcher matcher({"", ""}, false);
  const StopMatcher::Match match = matcher.push("abc");
  EXPECT_EQ(match.text, "abc");
  EXPECT_FALSE(match.stop);
}

TEST(StopMatcher, TheOneThatEndsFirstWins) {
  EXPECT_EQ(in_pieces({"xabcd"}, {"abcd", "bc"}, false), (Outcome{"xa", "bc"}));
  EXPECT_EQ(in_pieces({"xab"}, {"b", "ab"}, false), (Outcome{"xa", "b"}));
  EXPECT_EQ(in_pieces({"xab"}, {"ab", "b"}, true), (Outcome{"xab", "ab"}));
}

TEST(StopMatcher, RandomPiecesEqualTheOracle) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  const auto letters = [&](size_t most) {
    std::string text(rng() % (most + 1), 'a');
    for (char& c : text) c = static_cast<char>('a' + rng() % 3);
    return text;
  };
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops(rng() % 4), pieces(rng() % 8);
    for (std::string& stop : stops) stop = letters(6);
    std::string whole;
    for (std::string& piece : pieces) whole += piece = letters(4);
    const bool include_stop = rng() % 2 == 0;
    ASSERT_EQ(in_pieces(pieces, stops, include_stop), oracle(whole, stops, include_stop))
        << whole << ' ' << testing::PrintToString(stops);
  }
}

}  // namespace
}  // namespace ember
