// SPDX-License-Identifier: Apache-2.0
#include "cpu/products.h"

#include <gtest/gtest.h>

#include <random>
#include <span>
#include <thread>
#include <vector>

#include "ember/backend/cpu/cpu_backend.h"

namespace ember {
namespace {

std::vector<float> random_floats(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& x : values) x = normal(random);
  return values;
}

constexpr int64_t kIn = 256, kOut = 300, kRows = 21;

// y[kRows][kOut] of rank 0: scale * (w x + bias), added to what was there.
std::vector<float> product(int num_ranks, Split split, bool add) {
  const std::vector<float> weights = random_floats(kOut * kIn, 1),
                           x = random_floats(kRows * kIn, 2), bias = random_floats(kOut, 3);
  std::vector<float> result;
  const auto exchange =
      num_ranks > 1 ? make_cpu_exchange(std::make_shared<Rendezvous>(num_ranks)) : nullptr;
  Rendezvous loaded(num_ranks);
  const auto rank_thread = [&](int rank) {
    const auto backend = make_cpu_backend({.num_threads = 2, .rank = rank, .exchange = exchange});
    const bool inputs = split == Split::kInputs;
    const int64_t in = inputs ? kIn / num_ranks : kIn, out = inputs ? kOut : kOut / num_ranks,
                  first_in = inputs ? rank * in : 0, first_out = inputs ? 0 : rank * out;
    const WeightView view{
        {WeightFormat::kF32, out, in},
        reinterpret_cast<const std::byte*>(weights.data() + first_out * kIn + first_in),
        kIn * sizeof(float)};
    const Tensor b(const_cast<float*>(bias.data() + first_out), DType::kF32, {out});
    Partition partition{.split = split};
    for (int64_t end = kIn / 8; inputs && end <= in; end += kIn / 8)
      partition.leaf_ends.push_back(end);
    partition.leaf_unit = inputs ? kIn / 8 : 0;
    Linear w = backend->make_linear(std::span(&view, 1), std::span(&b, 1), partition);
    w.scale = 0.75f;
    backend->prepare({.max_tokens = kRows, .summed_features = kOut});
    Tensor input = backend->allocate(DType::kF32, {kRows, in}),
           y = backend->allocate(DType::kF32, {kRows, kOut}),
           normed = backend->allocate(DType::kF32, {kRows, kOut});
    for (int64_t r = 0; r < kRows; ++r)
      std::copy_n(x.begin() + r * kIn + first_in, in, input.as<float>() + r * in);
    std::fill_n(y.as<float>(), kRows * kOut, 1.5f);
    loaded.meet();
    if (add)
      backend->linear_add_norm(normed, y, input, w, Tensor(), 0);
    else
      backend->linear(y, input, w);
    loaded.meet();  // whatever others still read
    if (rank == 0) result.assign(y.as<float>(), y.as<float>() + kRows * kOut);
  };
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < num_ranks; ++rank) threads.emplace_back(rank_thread, rank);
  threads.clear();
  return result;
}

TEST(Products, RanksTogetherHaveTheBitsOfOne) {
  for (const bool add : {false, true}) {
    const std::vector<float> alone = product(1, Split::kInputs, add);
    ASSERT_EQ(alone.size(), static_cast<size_t>(kRows * kOut));
    for (const int n : {2, 4, 8}) EXPECT_EQ(product(n, Split::kInputs, add), alone) << n;
  }
}

TEST(Products, TheFirstRankGathersWhatIsSplitByVocabulary) {
  const std::vector<float> alone = product(1, Split::kVocab, false);
  for (const int n : {2, 4}) EXPECT_EQ(product(n, Split::kVocab, false), alone) << n;
}

}  // namespace
}  // namespace ember
