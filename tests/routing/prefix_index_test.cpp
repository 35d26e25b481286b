// SPDX-License-Identifier: Apache-2.0
#include "ember/routing/prefix_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "ember/base/random.h"

namespace ember {
namespace {

using Names = std::vector<uint64_t>;

std::vector<int> matches(PrefixIndex& index, const Names& names) {
  const std::span<const int> found = index.matches(names);
  return {found.begin(), found.end()};
}

TEST(PrefixIndex, KnowsHowMuchOfAPromptEachReplicaHasSeen) {
  PrefixIndex index(3);
  index.touch(0, Names{1, 2, 3}, 100);
  index.touch(1, Names{1, 2}, 100);
  index.touch(2, Names{2, 3}, 100);
  EXPECT_EQ(matches(index, {1, 2, 3, 4}), (std::vector{3, 2, 0}));
  EXPECT_EQ(matches(index, {2}), (std::vector{1, 1, 1}));
  EXPECT_EQ(matches(index, {}), (std::vector{0, 0, 0}));
  index.clear(0);
  EXPECT_EQ(matches(index, {1, 2, 3, 4}), (std::vector{0, 2, 0}));
  EXPECT_EQ(index.size(0), 0);
}

TEST(PrefixIndex, AReplicaThatIsAddedHasSeenNothing) {
  PrefixIndex index;
  index.add_replica();
  index.touch(0, Names{1}, 100);
  index.add_replica();
  EXPECT_EQ(matches(index, {1}), (std::vector{1, 0}));
}

TEST(PrefixIndex, ForgetsTheEndOfWhatWasTouchedLongestAgo) {
  PrefixIndex index(1);
  index.touch(0, Names{1, 2, 3}, 5);
  index.touch(0, Names{7, 8}, 5);
  index.touch(0, Names{9}, 5);
  EXPECT_EQ(matches(index, {1, 2, 3}), std::vector{2});
  index.touch(0, Names{1}, 5);
  index.forget_oldest(0, 2);
  EXPECT_EQ(matches(index, {1, 2, 3}), std::vector{1});
  EXPECT_EQ(matches(index, {7, 8}), std::vector{1});
  EXPECT_EQ(matches(index, {9}), std::vector{1});
}

TEST(PrefixIndex, HoldsNoMoreThanTheLimit) {
  PrefixIndex index(1);
  index.touch(0, Names{1, 2, 3, 4}, 2);
  EXPECT_EQ(index.size(0), 2);
  EXPECT_EQ(matches(index, {1, 2, 3, 4}), std::vector{2});
  index.touch(0, Names{5}, 0);
  EXPECT_EQ(index.size(0), 0);
  index.touch(0, Names{5}, -3);
  EXPECT_EQ(index.size(0), 0);
}

// A list of names per replica, the one touched last in front.
class NaiveIndex {
 public:
  explicit NaiveIndex(size_t n) : lists_(n) {}
  void touch(size_t replica, const Names& names, size_t limit) {
    Names& list = lists_[replica];
    for (size_t i = names.size(); i-- > 0;) {
      std::erase(list, names[i]);
      list.insert(list.begin(), names[i]);
    }
    if (list.size() > limit) list.resize(limit);
  }
  void forget(size_t replica, size_t count) {
    Names& list = lists_[replica];
    list.resize(list.size() - std::min(count, list.size()));
  }
  std::vector<int> matches(const Names& names) const {
    std::vector<int> found;
    for (const Names& list : lists_) {
      int n = 0;
      for (const uint64_t name : names) {
        if (std::ranges::find(list, name) == list.end()) break;
        ++n;
      }
      found.push_back(n);
    }
    return found;
  }
  size_t size(size_t replica) const { return lists_[replica].size(); }

 private:
  std::vector<Names> lists_;
};

TEST(PrefixIndex, IsAsANaiveOne) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t replicas = 1 + random.below(6);
    PrefixIndex index(static_cast<int>(replicas));
    NaiveIndex naive(replicas);
    for (int i = 0; i < 400; ++i) {
      Names names;  // a path down a tree with two branches at each level
      for (uint64_t n = random.below(7), name = 1; n > 0; --n)
        names.push_back(name = 2 * name + random.below(2));
      const size_t replica = random.below(replicas), limit = random.below(20);
      switch (random.below(8)) {
        case 0:
          index.forget_oldest(static_cast<int>(replica), static_cast<int64_t>(limit / 4));
          naive.forget(replica, limit / 4);
          break;
        case 1:
          index.clear(static_cast<int>(replica));
          naive.forget(replica, naive.size(replica));
          break;
        default:
          index.touch(static_cast<int>(replica), names, static_cast<int64_t>(limit));
          naive.touch(replica, names, limit);
      }
      ASSERT_EQ(matches(index, names), naive.matches(names));
      ASSERT_EQ(index.size(static_cast<int>(replica)), static_cast<int64_t>(naive.size(replica)));
    }
  }
}

Request prompt_of(size_t length) {
  Request request;
  for (size_t i = 0; i < length; ++i) request.prompt.push_back(static_cast<int32_t>(i % 1000));
  return request;
}

TEST(PrefixNames, EqualBeginningsHaveEqualNames) {
  constexpr size_t kGrain = kPrefixGrain;
  EXPECT_TRUE(prefix_names(prompt_of(kGrain - 1)).empty());
  Request a = prompt_of(5 * kGrain + 3), b = prompt_of(4 * kGrain);
  const Names all = prefix_names(a);
  EXPECT_EQ(all.size(), 5u);
  EXPECT_EQ(prefix_names(b), Names(all.begin(), all.begin() + 4));
  for (size_t at = 0; at < b.prompt.size(); at += 37) {
    Request changed = b;
    ++changed.prompt[at];
    const Names names = prefix_names(changed);
    for (size_t i = 0; i < names.size(); ++i)
      EXPECT_EQ(names[i] == all[i], i < at / kGrain) << "token " << at << ", name " << i;
  }
}

TEST(PrefixNames, DependOnTheScopeAndAreNotEndless) {
  Request request = prompt_of(300 * kPrefixGrain);
  const Names plain = prefix_names(request);
  EXPECT_EQ(plain.size(), 256u);
  request.cache_scope.tenant = "a";
  const Names of_tenant = prefix_names(request);
  request.cache_scope = {.salt = "a"};
  EXPECT_NE(plain[0], of_tenant[0]);
  EXPECT_NE(prefix_names(request)[0], of_tenant[0]);
  EXPECT_NE(prefix_names(request)[0], plain[0]);
}

}  // namespace
}  // namespace ember
