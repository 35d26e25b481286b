// SPDX-License-Identifier: Apache-2.0
#include "ember/server/key_ring.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(KeyRing, HoldsWhatItWasGivenLast) {
  KeyRing ring;
  EXPECT_EQ(ring.size(), 0u);
  EXPECT_FALSE(ring.holds(""));
  ring.replace({"sk-one", "sk-two"});
  EXPECT_EQ(ring.size(), 2u);
  EXPECT_TRUE(ring.holds("sk-one"));
  EXPECT_TRUE(ring.holds("sk-two"));
  ring.replace({"sk-three"});
  EXPECT_FALSE(ring.holds("sk-one"));
  EXPECT_TRUE(ring.holds("sk-three"));
}

TEST(KeyRing, OnlyTheWholeKeyOpens) {
  KeyRing ring;
  ring.replace({"sk-key"});
  using namespace std::string_view_literals;
  for (const std::string_view wrong :
       {""sv, "s"sv, "sk-ke"sv, "sk-keyy"sv, "SK-KEY"sv, "sk-key "sv, "sk-key\0"sv, "sk-kez"sv})
    EXPECT_FALSE(ring.holds(wrong)) << wrong;
}

}  // namespace
}  // namespace ember
