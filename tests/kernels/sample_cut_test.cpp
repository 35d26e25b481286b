// SPDX-License-Identifier: Apache-2.0
// The parts of sampling that a single token does not show: which tokens survive, the noise, and how
// often each is drawn.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/emulator_stream.h"
#include "kernels/sample_case.h"
#include "kernels/sample_row.cuh"

namespace ember::kernels {
namespace {

constexpr uint32_t kSeed = 4;

// A small team, so that many rows take little time.
using Small = Team<1, 64>;
using Pairs = Team<2, 64>;

template <class Team>
__global__ void cut_kernel(const SampleArgs args, int size, float* values, uint64_t* cuts) {
  EMBER_DYNAMIC_SHARED(dynamic);
  auto& shared = *reinterpret_cast<SampleShared<Team>*>(dynamic);
  Team team{&shared.team};
  const int row = static_cast<int>(blockIdx.x) / Team::kCtas, first = team.cta() * size;
  const int left = std::max(0, std::min(size, args.vocab - first));
  const Slice raw{args.logits + row * args.stride + first, first, left, false};
  values += static_cast<ptrdiff_t>(blockIdx.x) * size;
  const RowStats stats = load_slice(team, raw, values, nullptr);
  const uint64_t cut =
      filter_cut(team, shared, Slice{values, first, left, true}, args.params[row], stats);
  if (team.thread() == 0 && team.cta() == 0) cuts[row] = cut;
  team.sync();
}

template <class Team>
__global__ void draw_kernel(const SampleArgs args, int size, float* values) {
  EMBER_DYNAMIC_SHARED(dynamic);
  auto& shared = *reinterpret_cast<SampleShared<Team>*>(dynamic);
  Team team{&shared.team};
  const int row = static_cast<int>(blockIdx.x) / Team::kCtas;
  sample_row(team, shared, args, row, values + static_cast<ptrdiff_t>(blockIdx.x) * size, size);
  team.sync();
}

template <class Team>
std::vector<uint64_t> find_cuts(SampleBatch& batch, int vocab) {
  const StreamRef stream = emulator_stream(90);
  const int size = (vocab / Team::kCtas + 64) / 64 * 64;
  std::vector<float> values(static_cast<size_t>(batch.num_rows() * Team::kCtas * size));
  std::vector<uint64_t> cuts(static_cast<size_t>(batch.num_rows()));
  launch(stream,
         {.grid = dim3(static_cast<unsigned>(batch.num_rows() * Team::kCtas)),
          .threads = Team::kThreads,
          .shared_bytes = sizeof(SampleShared<Team>),
          .cluster = Team::kCtas},
         cut_kernel<Team>, batch.args(stream), size, values.data(), cuts.data());
  return cuts;
}

struct Survivors {
  std::vector<int32_t> ids;
  bool close =
      false;  // top-p's threshold lies within 1e-6 of a partial sum: the set may differ by rounding
};

// By sorting, in float64, as sampling.h says.
Survivors survivors_by_sorting(const std::vector<float>& logits, const SamplingParams& p) {
  Survivors s;
  for (size_t i = 0; i < logits.size(); ++i)
    if (logits[i] > -INFINITY) s.ids.push_back(static_cast<int32_t>(i));
  const auto logit = [&](int32_t id) { return double{logits[static_cast<size_t>(id)]}; };
  std::sort(s.ids.begin(), s.ids.end(), [&](int32_t a, int32_t b) {
    return logit(a) != logit(b) ? logit(a) > logit(b) : a < b;
  });
  if (p.top_k > 0 && static_cast<size_t>(p.top_k) < s.ids.size())
    s.ids.resize(static_cast<size_t>(p.top_k));
  const double most = logit(s.ids[0]);
  const auto weight = [&](int32_t id) {
    return std::exp((logit(id) - most) * (1.0 / p.temperature));
  };
  if (p.top_p < 1) {
    double total = 0, sum = 0;
    for (const int32_t id : s.ids) total += weight(id);
    size_t kept = 0;
    while (kept < s.ids.size() && (kept == 0 || sum < double{p.top_p} * total))
      sum += weight(s.ids[kept++]);
    const double before = sum - weight(s.ids[kept - 1]);
    s.close = std::abs(sum - double{p.top_p} * total) < 1e-6 * total ||
              std::abs(before - double{p.top_p} * total) < 1e-6 * total;
    s.ids.resize(kept);
  }
  if (p.min_p > 0) std::erase_if(s.ids, [&](int32_t id) { return weight(id) < double{p.min_p}; });
  return s;
}

template <class Team>
void expect_survivors(int vocab, const std::vector<SampleCase>& cases) {
  SampleBatch batch(vocab);
  for (const SampleCase& c : cases) batch.add(c);
  const std::vector<uint64_t> cuts = find_cuts<Team>(batch, vocab);
  int close = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const Survivors expected = survivors_by_sorting(cases[i].logits, cases[i].params);
    std::vector<int32_t> got;
    for (int id = 0; id < vocab; ++id)
      if (code_of(cases[i].logits[static_cast<size_t>(id)], id) >= cuts[i]) got.push_back(id);
    std::vector<int32_t> sorted = expected.ids;
    std::sort(sorted.begin(), sorted.end());
    close += expected.close ? 1 : 0;
    if (!expected.close)
      EXPECT_EQ(got, sorted) << "row " << i << " of " << cases.size() << ", vocab " << vocab
                             << ", seed " << kSeed;
    else
      EXPECT_NEAR(static_cast<double>(got.size()), static_cast<double>(sorted.size()), 1)
          << "row " << i;
  }
  EXPECT_LE(close, static_cast<int>(cases.size()) / 4);
}

std::vector<SampleCase> random_cases(std::mt19937& random, int vocab, int count) {
  std::vector<SampleCase> cases;
  std::uniform_real_distribution<float> uniform(0, 1);
  for (int i = 0; i < count; ++i) {
    SampleCase c{.logits = normal_logits(random, vocab, 0.5f + 5 * uniform(random),
                                         20 * uniform(random) - 10)};
    if (i % 3 == 1)
      for (float& l : c.logits) l = std::round(l * 4) / 4;  // ties
    if (i % 7 == 3)
      for (float& l : c.logits)
        if (uniform(random) < 0.7f) l = -INFINITY;
    c.logits[0] = 0;  // never all masked
    if (i % 2 == 0) c.params.top_k = 1 + static_cast<int>(random() % static_cast<uint32_t>(vocab));
    if (i % 4 == 2) c.params.top_k = 1 + c.params.top_k / 50;
    if (i % 3 != 0)
      c.params.top_p = i % 2 == 0 ? uniform(random) : 1 - 0.01f * uniform(random) * uniform(random);
    if (i % 5 == 0) c.params.min_p = uniform(random) * uniform(random);
    c.params.temperature = 0.1f + 2 * uniform(random);
    cases.push_back(std::move(c));
  }
  return cases;
}

TEST(SampleCut, SurvivorsAreThoseOfASort) {
  std::mt19937 random(kSeed);
  for (const int vocab : {7, 256, 257, 1000, 5003})
    expect_survivors<Small>(vocab, random_cases(random, vocab, 60));
  for (const int vocab : {65, 600, 5003})
    expect_survivors<Pairs>(vocab, random_cases(random, vocab, 20));
}

TEST(SampleCut, AllEqualMeansTheLowestIds) {
  constexpr int kVocab = 4000;
  std::vector<SampleCase> cases;
  for (const int k : {1, 2, 255, 256, 257, 2000, 3999})
    for (const float value : {0.0f, -7.5f, 1e30f})
      cases.push_back({.logits = std::vector<float>(kVocab, value), .params = {.top_k = k}});
  for (const float p : {0.0f, 1e-9f, 0.49999f, 0.99999f})
    cases.push_back({.logits = std::vector<float>(kVocab, 2.0f), .params = {.top_p = p}});
  expect_survivors<Small>(kVocab, cases);
}

// A threshold of min-p in every place a float can be: exact, as the CPU compares in float64.
TEST(SampleCut, MinPIsExactAroundItsThreshold) {
  std::vector<SampleCase> cases;
  std::mt19937 random(kSeed);
  for (int i = 0; i < 60; ++i) {
    SampleCase c;
    const float most = i % 3 == 0 ? 3.0f : static_cast<float>(random() % 2000) / 50 - 20;
    c.params.temperature = i % 2 == 0 ? 1.0f : 0.37f;
    c.params.min_p = i % 3 == 0 ? static_cast<float>(std::exp(-3.0 / c.params.temperature))
                                : static_cast<float>(1 + random() % 999) / 1000;
    float l = static_cast<float>(most + c.params.temperature * std::log(double{c.params.min_p}));
    c.logits = {most, 0.0f, -0.0f, 1e-30f, -1e-30f, 1e-7f, -1e-7f};
    for (int j = 0; j < 8; ++j) l = std::nextafter(l, -1e30f);
    for (int j = 0; j < 17; ++j) c.logits.push_back(std::min(most, l = std::nextafter(l, 1e30f)));
    for (float& v : c.logits) v = std::min(v, most);
    cases.push_back(std::move(c));
  }
  expect_survivors<Small>(24, cases);
}

TEST(SampleCut, RoughNoiseIsCloseToTheExact) {
  std::mt19937 random(kSeed);
  const auto expect_close = [](uint32_t high, uint32_t low) {
    const double exact = -std::log(-std::log(uniform_of_words(high, low)));
    EXPECT_NEAR(rough_gumbel(high, low), exact, 1e-4) << high << " " << low;
  };
  for (int i = 0; i < 20000; ++i) expect_close(random(), random());
  for (int bit = 0; bit < 32; ++bit)  // both ends, where digits are few
    for (const uint32_t low : {0u, 1u, 0xfffu, 0x1000u, 0x80000000u, ~0u}) {
      expect_close((1u << bit) - 1, low);
      expect_close(~((1u << bit) - 1), low);
    }
  expect_close(~0u, ~0u);
}

// Draws of many positions: the same tokens as the CPU's, and as often as they should be.
TEST(SampleDraw, DrawsAreTheCpusAndFollowTheDistribution) {
  constexpr int kDraws = 2500, kVocab = 6;
  const std::vector<float> logits = {std::log(0.4f), std::log(0.25f), std::log(0.15f),
                                     std::log(0.1f), std::log(0.06f), std::log(0.04f)};
  const StreamRef stream = emulator_stream(90);
  for (const float temperature : {1.0f, 0.5f}) {
    SampleBatch batch(kVocab);
    std::vector<SampleCase> cases;
    for (int i = 0; i < kDraws; ++i) {
      cases.push_back(
          {.logits = logits, .params = {.temperature = temperature, .seed = kSeed}, .position = i});
      batch.add(cases.back());
    }
    std::vector<float> values(kDraws * 64);
    SampleArgs args = batch.args(stream);
    launch(stream,
           {.grid = dim3(kDraws),
            .threads = Small::kThreads,
            .shared_bytes = sizeof(SampleShared<Small>)},
           draw_kernel<Small>, args, 64, values.data());
    std::vector<int> counts(kVocab);
    for (int i = 0; i < kDraws; ++i) {
      ASSERT_EQ(args.tokens[i], sample_on_cpu(cases[static_cast<size_t>(i)]).token)
          << "position " << i;
      ++counts[static_cast<size_t>(args.tokens[i])];
    }
    double total = 0, chi = 0;
    for (const float l : logits) total += std::exp(l / temperature);
    for (int t = 0; t < kVocab; ++t) {
      const double expected =
          kDraws * std::exp(logits[static_cast<size_t>(t)] / temperature) / total;
      chi += std::pow(counts[static_cast<size_t>(t)] - expected, 2) / expected;
    }
    EXPECT_LT(chi, 26) << "seed " << kSeed;  // five degrees of freedom: p below 1e-4
  }
}

// Equal logits in one thread's hands and the smallest differences of scores: the second look
// decides as the CPU does.
TEST(SampleDraw, ManyTokensThatCouldWin) {
  constexpr int kVocab = 640, kRows = 60;
  std::mt19937 random(kSeed);
  const StreamRef stream = emulator_stream(90);
  SampleBatch batch(kVocab);
  std::vector<SampleCase> cases;
  for (int i = 0; i < kRows; ++i) {
    SampleCase c{.logits = std::vector<float>(kVocab), .params = {.seed = random()}, .position = i};
    // Logits that cancel the noise but for less than the margin of the rough scores.
    for (int t = 0; t < kVocab; ++t) {
      const double noise = -std::log(
          -std::log(uniform(c.params.seed, static_cast<uint64_t>(i), static_cast<uint32_t>(t))));
      c.logits[static_cast<size_t>(t)] =
          static_cast<float>(5 - noise + 1e-5 * static_cast<double>(random() % 50));
    }
    batch.add(c);
    cases.push_back(std::move(c));
  }
  std::vector<float> values(kRows * kVocab);
  SampleArgs args = batch.args(stream);
  launch(stream,
         {.grid = dim3(kRows),
          .threads = Small::kThreads,
          .shared_bytes = sizeof(SampleShared<Small>)},
         draw_kernel<Small>, args, kVocab, values.data());
  for (int i = 0; i < kRows; ++i)
    EXPECT_EQ(args.tokens[i], sample_on_cpu(cases[static_cast<size_t>(i)]).token)
        << "row " << i << ", seed " << kSeed;
}

}  // namespace
}  // namespace ember::kernels
