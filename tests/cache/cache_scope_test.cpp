// SPDX-License-Identifier: Apache-2.0
#include "ember/cache/cache_scope.h"

#include <gtest/gtest.h>

#include <vector>

namespace ember {
namespace {

TEST(CacheScope, EqualScopesHaveOneRoot) {
  EXPECT_EQ((CacheScope{.tenant = "a", .salt = "b"}.root()),
            (CacheScope{.tenant = "a", .salt = "b"}.root()));
}

TEST(CacheScope, EveryFieldAndEveryBoundaryCounts) {
  const std::vector<CacheScope> scopes = {{"", ""},   {"a", ""},   {"", "a"},
                                          {"a", "b"}, {"b", "a"},  {"ab", ""},
                                          {"", "ab"}, {"a", "ba"}, {"ab", "a"}};
  for (size_t i = 0; i < scopes.size(); ++i)
    for (size_t j = 0; j < scopes.size(); ++j)
      EXPECT_EQ(scopes[i].root() == scopes[j].root(), i == j) << i << " and " << j;
}

TEST(CacheScope, ARootIsNoPublishedName) {
  EXPECT_TRUE(CacheScope{}.root().known());
  EXPECT_NE(CacheScope{}.root().high, 0u);
}

}  // namespace
}  // namespace ember
