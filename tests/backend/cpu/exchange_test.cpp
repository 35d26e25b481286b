// SPDX-License-Identifier: Apache-2.0
#include "cpu/exchange.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <thread>
#include <vector>

#include "backend/cpu/leaf_cases.h"

namespace ember::cpu {
namespace {

// Plain numbers are given away and changed as soon as the contract allows it: any race is an error
// for the thread sanitizer, and a wrong number here.
TEST(Exchange, WhatIsSharedStaysUntilTheNextCallHasReturned) {
  constexpr size_t kRanks = 4;
  constexpr int kRounds = 1000;
  Exchange exchange(std::make_shared<Rendezvous>(static_cast<int>(kRanks)));
  std::array<int, kRanks> wrong{};
  std::vector<std::jthread> threads;
  for (size_t rank = 0; rank < kRanks; ++rank)
    threads.emplace_back([&, rank] {
      std::array<float, 2> mine{};
      for (int round = 0; round < kRounds; ++round) {
        float& number = mine[static_cast<size_t>(round % 2)];
        number = static_cast<float>(round) + static_cast<float>(rank) * 0.25f;
        const std::span<const Tensor> all =
            exchange.share(static_cast<int>(rank), Tensor(&number, DType::kF32, {1}));
        for (size_t r = 0; r < kRanks; ++r)
          wrong[rank] +=
              *all[r].as<float>() != static_cast<float>(round) + static_cast<float>(r) * 0.25f;
      }
      exchange.meet();  // `mine` ends here
    });
  threads.clear();
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

TEST(Exchange, PartsAreAddedAsABalancedTree) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  for (const size_t count : {2u, 4u, 8u}) {
    std::vector<std::vector<float>> parts(count, std::vector<float>(100));
    std::vector<const float*> pointers;
    for (std::vector<float>& part : parts) {
      for (float& x : part) x = normal(random) * 1e3f;
      pointers.push_back(part.data());
    }
    std::vector<float> sums(100);
    add_parts(pointers, 100, sums.data());
    EXPECT_EQ(sums, tree_of(parts));
  }
}

}  // namespace
}  // namespace ember::cpu
