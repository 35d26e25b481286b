// SPDX-License-Identifier: Apache-2.0
#include "ember/routing/name_table.h"

#include <gtest/gtest.h>

#include <map>

#include "ember/base/random.h"

namespace ember {
namespace {

TEST(NameTable, FindsWhatWasInsertedUntilItIsErased) {
  NameTable<int> table;
  EXPECT_EQ(table.find(0), table.kNone);
  const auto place = table.insert(0);
  table.at(place) = 7;
  EXPECT_EQ(table.find(0), place);
  EXPECT_EQ(table.name(place), 0u);
  table.erase(place);
  EXPECT_EQ(table.find(0), table.kNone);
  EXPECT_EQ(table.at(table.insert(1)), 0) << "a place that was free begins with no value";
}

// Few names in small tables: most probes collide and wrap around.
TEST(NameTable, IsAMapWhateverIsInsertedAndErased) {
  constexpr uint64_t kSeed = 20261201;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  NameTable<uint64_t> table;
  std::map<uint64_t, NameTable<uint64_t>::Place> expected;
  for (uint64_t i = 0; i < 20000; ++i) {
    const uint64_t name = random.below(i < 10000 ? 12 : 300);
    const auto found = expected.find(name);
    ASSERT_EQ(table.find(name), found == expected.end() ? table.kNone : found->second);
    if (found == expected.end()) {
      const auto place = table.insert(name);
      table.at(place) = ~name;
      expected.emplace(name, place);
    } else if (random.below(2) == 0) {
      table.erase(found->second);
      expected.erase(found);
    }
    ASSERT_EQ(table.size(), expected.size());
  }
  for (const auto& [name, place] : expected) {
    EXPECT_EQ(table.find(name), place);
    EXPECT_EQ(table.at(place), ~name);
  }
}

}  // namespace
}  // namespace ember
