// SPDX-License-Identifier: Apache-2.0
#include "ember/text/utf8.h"

#include <gtest/gtest.h>

#include "text/fixtures.h"

namespace ember {
namespace {

TEST(Utf8, ReplacesEachMaximalBrokenPart) {
  EXPECT_EQ(to_valid_utf8("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x99"), kReplacement);  // an unfinished character is one part
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x99x"), std::string(kReplacement) + "x");
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"),
            std::string(kReplacement) + std::string(kReplacement) +
                std::string(kReplacement));  // surrogate
  EXPECT_EQ(to_valid_utf8("\xC0\x80"),
            std::string(kReplacement) + std::string(kReplacement));  // overlong
  EXPECT_FALSE(is_valid_utf8("\xF4\x90\x80\x80"));                   // beyond U+10FFFF
  EXPECT_TRUE(is_valid_utf8(""));
}

TEST(Utf8, EveryCodePointIsValid) {
  std::string text;
  for (uint32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    text.clear();
    test::append_code_point(text, c);
    ASSERT_TRUE(is_valid_utf8(text)) << std::hex << c;
    ASSERT_EQ(to_valid_utf8(text), text);
    ASSERT_EQ(first_character(text + "x"), text);
    ASSERT_EQ(last_character("x" + text), text);
    ASSERT_EQ(last_character(text + text), text);
  }
}

TEST(Utf8, ABrokenCharacterEndsWithTheText) {
  EXPECT_EQ(first_character("\xF0\x9F"), "\xF0\x9F");
  EXPECT_EQ(first_character("\x80z"), "\x80");
  EXPECT_EQ(last_character("\x80\x80"), "\x80\x80");
}

TEST(Utf8, LeavesAnUnfinishedEndWhenMoreComes) {
  std::string out;
  EXPECT_EQ(append_utf8(out, "ab\xE2\x82", true), 2u);
  EXPECT_EQ(out, "ab");
  EXPECT_EQ(append_utf8(out, "\xE2\x82\xAC", true), 3u);
  EXPECT_EQ(out, "ab\xE2\x82\xAC");
}

// Cutting random bytes anywhere changes nothing.
TEST(Utf8, PiecesEqualTheWhole) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = test::random_text(rng, 20);
    for (int n = 0; n < 3 && !bytes.empty(); ++n)
      bytes[rng() % bytes.size()] = static_cast<char>(rng());
    std::string out, held;
    for (const char b : bytes) {
      held.push_back(b);
      held.erase(0, append_utf8(out, held, true));
    }
    append_utf8(out, held, false);
    ASSERT_EQ(out, to_valid_utf8(bytes));
    ASSERT_TRUE(is_valid_utf8(out));
  }
}

}  // namespace
}  // namespace ember
