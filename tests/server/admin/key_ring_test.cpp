// SPDX-License-Identifier: Apache-2.0
#include "ember/server/key_ring.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(KeyRing, FindsWhatItWasGivenLast) {
  KeyRing ring;
  EXPECT_EQ(ring.size(), 0u);
  EXPECT_FALSE(ring.find(""));
  ring.replace({"sk-one", "sk-two"});
  EXPECT_EQ(ring.size(), 2u);
  EXPECT_TRUE(ring.find("sk-one"));
  EXPECT_TRUE(ring.find("sk-two"));
  ring.replace({"sk-three"});
  EXPECT_FALSE(ring.find("sk-one"));
  EXPECT_TRUE(ring.find("sk-three"));
}

TEST(KeyRing, OnlyTheWholeKeyOpens) {
  KeyRing ring;
  ring.replace({"sk-key"});
  using namespace std::string_view_literals;
  for (const std::string_view wrong :
       {""sv, "s"sv, "sk-ke"sv, "sk-keyy"sv, "SK-KEY"sv, "sk-key "sv, "sk-key\0"sv, "sk-kez"sv})
    EXPECT_FALSE(ring.find(wrong)) << wrong;
}

TEST(KeyRing, EveryKeyIsATenantThatKeepsItsName) {
  KeyRing ring;
  ring.replace({"sk-one", "sk-two"});
  const std::string one = ring.find("sk-one")->tenant, two = ring.find("sk-two")->tenant;
  EXPECT_NE(one, two);
  ring.replace({"sk-zero", "sk-one"});  // another place in the file, another life of the server
  EXPECT_EQ(ring.find("sk-one")->tenant, one);
  EXPECT_EQ(one, "key-456f1612bd25c6c8");
}

}  // namespace
}  // namespace ember
