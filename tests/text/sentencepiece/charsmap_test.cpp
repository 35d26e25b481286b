// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/charsmap.h"

#include <gmock/gmock.h>

#include <random>

#include "ember/text/sentencepiece_model.h"
#include "text/fixtures.h"

namespace ember {
namespace {

std::string small_blob() {
  std::ifstream in(test::source_dir() / "tests/data/sentencepiece/bpe_nfkc.model",
                   std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  return parse_sentencepiece(file).value().rules.charsmap;
}

TEST(Charsmap, TheLongestRuleIsTaken) {
  const Charsmap map = std::move(Charsmap::parse(small_blob())).value();
  const auto becomes = [&](std::string_view text) {
    const Charsmap::Rule rule = map.find(text);
    return std::pair(rule.length, std::string(rule.becomes));
  };
  EXPECT_EQ(becomes("\uFF21x"), std::pair(size_t{3}, std::string("a")));
  EXPECT_EQ(becomes("\uFF21\uFF22\uFF23x"), std::pair(size_t{9}, std::string("abc")));
  EXPECT_EQ(becomes("\u200Bx"), std::pair(size_t{3}, std::string()));
  EXPECT_EQ(becomes("x"), std::pair(size_t{0}, std::string()));
  EXPECT_EQ(becomes(""), std::pair(size_t{0}, std::string()));
  EXPECT_EQ(Charsmap().find("\uFF21").length, 0u);
}

TEST(Charsmap, ABrokenOneIsRefused) {
  using namespace std::string_literals;
  EXPECT_TRUE(Charsmap::parse("").ok());
  for (const std::string& blob : {"abc"s, "\0\0\0\0"s, "\4\0\0\0abc"s, "\3\0\0\0abcdef\0"s,
                                  "\4\0\0\0abcd"s, "\4\0\0\0abcdtext"s, "\xFF\xFF\xFF\xFF"s})
    EXPECT_FALSE(Charsmap::parse(blob).ok()) << testing::PrintToString(blob);
}

// No array leads out of itself or out of the texts.
TEST(Charsmap, AChangedOneIsSafe) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  const std::string blob = small_blob();
  for (int i = 0; i < 300; ++i) {
    std::string changed = blob;
    for (int n = 0; n < 20; ++n)
      changed[4 + rng() % (changed.size() - 5)] = static_cast<char>(rng());
    const auto map = Charsmap::parse(changed);
    ASSERT_TRUE(map.ok());
    const std::string text = test::random_text(rng, 60);
    for (size_t at = 0; at < text.size(); ++at)
      EXPECT_LE(map.value().find(std::string_view(text).substr(at)).length, text.size() - at);
  }
}

}  // namespace
}  // namespace ember
