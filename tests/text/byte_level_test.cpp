// SPDX-License-Identifier: Apache-2.0
#include "byte_level.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(ByteLevel, EveryByteHasOneCharacter) {
  std::string bytes;
  for (int b = 0; b < 256; ++b) bytes.push_back(static_cast<char>(b));
  EXPECT_EQ(from_byte_level(to_byte_level(bytes)), bytes);
  EXPECT_EQ(to_byte_level(" a\n\xC3"), "\u0120a\u010A\u00C3");
}

TEST(ByteLevel, WhatIsNotOfTheAlphabetStaysAsItIs) {
  for (const char* token : {"a b", "\u2581x", "\u0150", "\xC4"})
    EXPECT_EQ(from_byte_level(token), token);
}

}  // namespace
}  // namespace ember
