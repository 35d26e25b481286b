// SPDX-License-Identifier: Apache-2.0
#include "fleet/workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "ember/routing/prefix_index.h"

namespace ember {
namespace {

constexpr uint64_t kSeed = 3;

size_t common(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

TEST(Workload, ConversationsGrowByAnswerAndMessageAndKeepTheirBeginning) {
  Workload workload(WorkloadKind::kChat, 100, kSeed);
  int turns = 0;
  for (int i = 0; i < 200; ++i) {
    Conversation c = workload.next_conversation();
    EXPECT_GE(c.prompt_tokens, c.system_tokens + 1);
    for (Conversation before = c; workload.next_turn(c); before = c) {
      ++turns;
      EXPECT_GT(c.prompt_tokens, before.prompt_tokens + before.output_tokens);
      const auto names = Workload::names(before, before.prompt_tokens);
      EXPECT_EQ(names.size(), static_cast<size_t>(before.prompt_tokens / kPrefixGrain));
      EXPECT_EQ(common(names, Workload::names(c, c.prompt_tokens)), names.size());
    }
  }
  EXPECT_NEAR(turns, 600, 150);
}

TEST(Workload, ConversationsShareExactlyTheirSystemPrompt) {
  Workload workload(WorkloadKind::kChat, 100, kSeed);
  std::map<uint64_t, Conversation> first;
  int shared = 0;
  for (int i = 0; i < 500; ++i) {
    const Conversation c = workload.next_conversation();
    const auto [same, added] = first.emplace(c.system, c);
    if (added) continue;
    ++shared;
    EXPECT_EQ(common(Workload::names(c, c.prompt_tokens),
                     Workload::names(same->second, same->second.prompt_tokens)),
              static_cast<size_t>(c.system_tokens / kPrefixGrain));
  }
  EXPECT_GT(shared, 100);
}

TEST(Workload, UniquePromptsShareNothing) {
  Workload workload(WorkloadKind::kUnique, 100, kSeed);
  Conversation first = workload.next_conversation(), second = workload.next_conversation();
  EXPECT_FALSE(workload.next_turn(first));
  EXPECT_EQ(common(Workload::names(first, 1000), Workload::names(second, 1000)), 0u);
}

TEST(Workload, RequestsArriveAtTheRateOnAverage) {
  for (const WorkloadKind kind :
       {WorkloadKind::kChat, WorkloadKind::kUnique, WorkloadKind::kBursts}) {
    Workload workload(kind, 200, kSeed);
    double passed = 0, requests = 0;
    while (passed < 2000) {
      passed += workload.next_gap();
      Conversation c = workload.next_conversation();
      do ++requests;
      while (workload.next_turn(c));
    }
    EXPECT_NEAR(requests / passed, 200, 25) << static_cast<int>(kind);
  }
}

TEST(Workload, IsTheSameForASeedAndAnotherForAnother) {
  Workload a(WorkloadKind::kChat, 100, kSeed), b(WorkloadKind::kChat, 100, kSeed),
      other(WorkloadKind::kChat, 100, kSeed + 1);
  int differ = 0;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(a.next_gap(), b.next_gap());
    Conversation of_a = a.next_conversation(), of_b = b.next_conversation();
    EXPECT_EQ(of_a.prompt_tokens, of_b.prompt_tokens);
    EXPECT_EQ(a.think_time(of_a), b.think_time(of_b));
    if (of_a.prompt_tokens != other.next_conversation().prompt_tokens) ++differ;
  }
  EXPECT_GT(differ, 40);
}

}  // namespace
}  // namespace ember
