// SPDX-License-Identifier: Apache-2.0
#include "prefix_table.h"

#include <gmock/gmock.h>

#include <map>
#include <random>
#include <string>

namespace ember {
namespace {

using Found = std::vector<std::pair<size_t, int32_t>>;

Found all(const PrefixTable& table, std::string_view text) {
  Found found;
  table.each(text, [&](size_t length, int32_t value) { found.emplace_back(length, value); });
  return found;
}

TEST(PrefixTable, FindsWhatATextBeginsWithTheShortestFirst) {
  const PrefixTable table({{"ab", 1}, {"a", 2}, {"abcd", 3}, {"\xFF", 4}, {"b", 5}});
  EXPECT_EQ(all(table, "abcde"), (Found{{1, 2}, {2, 1}, {4, 3}}));
  EXPECT_EQ(all(table, "abc"), (Found{{1, 2}, {2, 1}}));
  EXPECT_EQ(all(table, "\xFF\xFF"), (Found{{1, 4}}));
  EXPECT_EQ(all(table, "c"), Found());
  EXPECT_EQ(all(table, ""), Found());
  EXPECT_EQ(all(PrefixTable(), "a"), Found());
  EXPECT_EQ(table.longest("abcd").length, 4u);
  EXPECT_EQ(table.longest("abcd").value, 3);
  EXPECT_EQ(table.longest("x").length, 0u);
}

TEST(PrefixTable, EqualsASearchThroughAll) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  const auto random_text = [&](size_t most) {
    std::string text;
    for (uint64_t n = 1 + rng() % most; n > 0; --n) text += "a\x80\xFF\0"[rng() % 4];
    return text;
  };
  std::map<std::string, int32_t> texts;
  while (texts.size() < 200) texts.emplace(random_text(6), static_cast<int32_t>(texts.size()));
  std::vector<PrefixTable::Entry> entries;
  for (const auto& [text, value] : texts) entries.push_back({text, value});
  std::shuffle(entries.begin(), entries.end(), rng);
  const PrefixTable table(entries);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = random_text(8);
    Found expected;
    for (size_t length = 1; length <= text.size(); ++length)
      if (const auto found = texts.find(text.substr(0, length)); found != texts.end())
        expected.emplace_back(length, found->second);
    EXPECT_EQ(all(table, text), expected);
  }
}

}  // namespace
}  // namespace ember
