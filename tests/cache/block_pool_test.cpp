// SPDX-License-Identifier: Apache-2.0
#include "ember/cache/block_pool.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace ember {
namespace {

using Tokens = std::vector<int32_t>;

const PrefixId kRoot = CacheScope{"tenant", "salt"}.root();

// A sequence as the scheduler keeps it: its table, the names of its published blocks, its tokens.
struct User {
  Tokens tokens;
  std::vector<int32_t> table;
  std::vector<PrefixId> ids;
  PrefixId root = kRoot;
};

void fill(BlockPool& pool, User& user) {
  pool.find_prefix(user.root, user.tokens, user.table, user.ids);
  const auto size = static_cast<size_t>(pool.block_size());
  while (user.table.size() * size < user.tokens.size()) user.table.push_back(pool.allocate());
  for (size_t i = user.ids.size(); (i + 1) * size <= user.tokens.size(); ++i)
    user.ids.push_back(pool.publish(user.table[i], i == 0 ? user.root : user.ids[i - 1],
                                    std::span<const int32_t>(user.tokens).subspan(i * size, size)));
}

void check(const BlockPool& pool, const std::vector<User>& users) {
  std::vector<const std::vector<int32_t>*> tables;
  for (const User& user : users) tables.push_back(&user.table);
  pool.check_invariants(tables);
}

int hits(BlockPool& pool, const PrefixId& root, const Tokens& tokens) {
  std::vector<int32_t> table;
  std::vector<PrefixId> ids;
  pool.find_prefix(root, tokens, table, ids);
  EXPECT_EQ(table.size(), ids.size());
  const auto n = static_cast<int>(table.size());
  pool.release_all(table);
  return n;
}

TEST(BlockPool, HandsOutEveryBlockOnce) {
  BlockPool pool({.num_blocks = 5, .block_size = 2});
  std::set<int32_t> seen;
  std::vector<int32_t> table;
  while (pool.num_available() > 0) table.push_back(pool.allocate());
  for (const int32_t block : table) {
    EXPECT_TRUE(seen.insert(block).second);
    EXPECT_EQ(pool.num_refs(block), 1);
    EXPECT_EQ(pool.generation(block), 1u);
  }
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_DEATH(pool.allocate(), "num_available");
  pool.release_all(table);
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(pool.num_free(), 5);
  EXPECT_DEATH(pool.release(0), "not referenced");
  EXPECT_DEATH(pool.release(5), "block 5 of 5");
}

TEST(BlockPool, FindsWholeBlocksButNeverTheLastToken) {
  BlockPool pool({.num_blocks = 8, .block_size = 2});
  User user{.tokens = {1, 2, 3, 4, 5}};
  fill(pool, user);
  EXPECT_EQ(hits(pool, kRoot, {1, 2}), 0);
  EXPECT_EQ(hits(pool, kRoot, {1, 2, 9}), 1);
  EXPECT_EQ(hits(pool, kRoot, {1, 2, 3, 4}), 1);
  EXPECT_EQ(hits(pool, kRoot, {1, 2, 3, 4, 9}), 2);
  EXPECT_EQ(hits(pool, kRoot, {1, 2, 3, 4, 5, 6, 7}), 2);
  EXPECT_EQ(hits(pool, kRoot, {1, 9, 3, 4, 5}), 0);
  EXPECT_EQ(hits(pool, kRoot, {3, 4, 5}), 0);  // the same tokens behind another beginning
}

TEST(BlockPool, SharesNothingBetweenTenantsAndSalts) {
  BlockPool pool({.num_blocks = 8, .block_size = 1});
  User user{.tokens = {1, 2, 3}, .root = CacheScope{"a", "b"}.root()};
  fill(pool, user);
  EXPECT_EQ(hits(pool, CacheScope{"a", "b"}.root(), {1, 2, 3}), 2);
  for (const auto& [tenant, salt] :
       {std::pair{"a", ""}, {"", "b"}, {"ab", ""}, {"", "ab"}, {"b", "a"}, {"", ""}})
    EXPECT_EQ(hits(pool, CacheScope{tenant, salt}.root(), {1, 2, 3}), 0) << tenant << "/" << salt;
}

TEST(BlockPool, EvictsWhatWasReleasedLongestAgoChildrenFirst) {
  BlockPool pool({.num_blocks = 4, .block_size = 1});
  User old{.tokens = {1, 2}}, recent{.tokens = {5, 6}};
  fill(pool, old);
  fill(pool, recent);
  pool.release_all(old.table);
  pool.release_all(recent.table);
  EXPECT_EQ(pool.num_cached(), 4);
  std::vector<int32_t> taken{pool.allocate()};
  EXPECT_EQ(hits(pool, kRoot, {1, 2, 3}),
            1);  // the child of `old` went, and the look-up made its parent the most recent
  taken.push_back(pool.allocate());
  EXPECT_EQ(hits(pool, kRoot, {5, 6, 7}), 1);
  taken.push_back(pool.allocate());
  EXPECT_EQ(hits(pool, kRoot, {1, 2, 3}), 0);
  EXPECT_EQ(hits(pool, kRoot, {5, 6, 7}), 1);
  pool.check_invariants(std::vector<const std::vector<int32_t>*>{&taken});
}

TEST(BlockPool, AReferencedBlockIsNotEvicted) {
  BlockPool pool({.num_blocks = 2, .block_size = 1});
  User user{.tokens = {1}};
  fill(pool, user);
  const int32_t other = pool.allocate();
  EXPECT_NE(other, user.table[0]);
  EXPECT_EQ(pool.num_available(), 0);
  EXPECT_EQ(hits(pool, kRoot, {1, 2}), 1);
}

TEST(BlockPool, TwoBlocksWithTheSameContentsHaveOneName) {
  BlockPool pool({.num_blocks = 4, .block_size = 2});
  const int32_t a = pool.allocate(), b = pool.allocate();
  const Tokens tokens{1, 2};
  const PrefixId id = pool.publish(a, kRoot, tokens);
  EXPECT_TRUE(id.known());
  EXPECT_EQ(pool.publish(b, kRoot, tokens), id);
  EXPECT_TRUE(pool.is_published(a));
  EXPECT_FALSE(pool.is_published(b));
  EXPECT_FALSE(pool.publish(b, PrefixId{}, tokens).known());
}

TEST(BlockPool, ACollisionIsAMissAndNeverAWrongHit) {
  BlockPool pool({.num_blocks = 64, .block_size = 1, .key_bits = 1});  // two keys for everything
  int published = 0;
  for (int32_t token = 0; token < 20; ++token) {
    const int32_t block = pool.allocate();
    const PrefixId id = pool.publish(block, kRoot, std::vector{token});
    published += id.known() ? 1 : 0;
    EXPECT_EQ(hits(pool, kRoot, {token, 0}), id.known() ? 1 : 0) << token;
  }
  EXPECT_EQ(published, 2);
}

TEST(BlockPool, WithoutCachingNothingIsKept) {
  BlockPool pool({.num_blocks = 4, .block_size = 1, .enable_prefix_caching = false});
  User user{.tokens = {1, 2, 3}};
  fill(pool, user);
  EXPECT_EQ(hits(pool, kRoot, {1, 2, 3}), 0);
  pool.release_all(user.table);
  EXPECT_EQ(pool.num_cached(), 0);
  EXPECT_EQ(pool.num_free(), 4);
}

// Against what a look-up means: the blocks of a hit must hold the tokens asked for, from the first
// on, of the right owner.
TEST(BlockPool, RandomUsersNeverFindForeignTokens) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 rng(seed);
    const auto below = [&](int n) { return static_cast<int>(rng() % static_cast<uint32_t>(n)); };
    const int size = 1 + below(4);
    BlockPool pool(
        {.num_blocks = 3 + below(18), .block_size = size, .key_bits = below(2) == 0 ? 4 : 128});
    const PrefixId roots[] = {CacheScope{"a", ""}.root(), CacheScope{"b", ""}.root()};
    std::vector<std::pair<int, Tokens>> contents(
        static_cast<size_t>(pool.num_blocks()));  // root, all tokens up to the block's end
    std::vector<User> users;
    for (int op = 0; op < 200; ++op) {
      if (below(3) == 0 && !users.empty()) {
        const int i = below(static_cast<int>(users.size()));
        pool.release_all(users[static_cast<size_t>(i)].table);
        users.erase(users.begin() + i);
      } else {
        const int owner = below(2);
        User user{.root = roots[owner]};
        for (int n = 1 + below(8); n > 0; --n) user.tokens.push_back(below(2));
        std::vector<int32_t> table;
        std::vector<PrefixId> ids;
        pool.find_prefix(user.root, user.tokens, table, ids);
        for (size_t b = 0; b < table.size(); ++b) {
          const Tokens wanted(user.tokens.begin(),
                              user.tokens.begin() + static_cast<long>(b + 1) * size);
          ASSERT_EQ(contents[static_cast<size_t>(table[b])], std::pair(owner, wanted));
        }
        ASSERT_LT(table.size() * static_cast<size_t>(size), user.tokens.size());
        pool.release_all(table);
        if (pool.num_available() < (static_cast<int>(user.tokens.size()) + size - 1) / size)
          continue;
        fill(pool, user);
        for (size_t b = 0; b < user.table.size(); ++b) {
          const size_t end = std::min(user.tokens.size(), (b + 1) * static_cast<size_t>(size));
          contents[static_cast<size_t>(user.table[b])] = {
              owner, Tokens(user.tokens.begin(), user.tokens.begin() + static_cast<long>(end))};
        }
        users.push_back(user);
      }
      check(pool, users);
    }
  }
}

}  // namespace
}  // namespace ember
