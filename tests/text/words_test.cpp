// SPDX-License-Identifier: Apache-2.0
#include "words.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(Words, WhiteSpaceIsUnicodes) {
  EXPECT_EQ(white_space_at_begin(""), 0u);
  EXPECT_EQ(white_space_at_begin(" \t\r\n\v\fa "), 6u);
  EXPECT_EQ(white_space_at_begin("\u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000x"),
            2u * 2 + 8u * 3);
  EXPECT_EQ(white_space_at_begin("\u200b "), 0u) << "a zero-width space is none";
  EXPECT_EQ(white_space_at_begin("\x1F "), 0u);
  EXPECT_EQ(white_space_at_end(""), 0u);
  EXPECT_EQ(white_space_at_end(" a\u3000\n"), 4u);
  EXPECT_EQ(white_space_at_end("\u00e4\u2581"), 0u);
  EXPECT_EQ(white_space_at_end(" \n"), 2u);
}

TEST(Words, LettersMarksDigitsAndConnectorsAreOfWords) {
  for (const char* word :
       {"a", "\u00e4", "\u0421", "\u5b57", "7", "\u0663", "_", "\u0301", "\U0001d504"}) {
    EXPECT_TRUE(begins_with_word(std::string(word) + "-")) << word;
    EXPECT_TRUE(ends_with_word("-" + std::string(word))) << word;
  }
  for (const char* other : {"-", " ", "\u2581", "\u3000", "\u00bd", "\U0001F642"}) {
    EXPECT_FALSE(begins_with_word(std::string(other) + "a")) << other;
    EXPECT_FALSE(ends_with_word("a" + std::string(other))) << other;
  }
  EXPECT_FALSE(begins_with_word(""));
  EXPECT_FALSE(ends_with_word(""));
}

}  // namespace
}  // namespace ember
