// SPDX-License-Identifier: Apache-2.0
// QK-norm, RoPE and the write to the paged cache.
#include <gtest/gtest.h>

#include "kernels/common/layout.h"
#include "kernels/emulator_stream.h"
#include "kernels/half_rows.h"

namespace ember::kernels {
namespace {

constexpr uint32_t kSeed = 2;
constexpr uint16_t kUntouched = 0x3a5a;  // finite in both types

struct Case {
  RopeSpec spec;
  bool norm = false;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.spec.num_heads << "/" << c.spec.num_kv_heads << " heads of " << c.spec.head_dim
             << ", " << c.spec.rotary_dim << " rotated"
             << (c.spec.interleaved ? ", interleaved" : "") << (c.norm ? ", QK-norm" : "");
}

// One step's inputs and what must come out.
class Step {
 public:
  static constexpr int kPositions = 300, kBlocks = 7;

  Step(DType dtype, const Case& c, std::vector<int32_t> positions, std::vector<int32_t> slots,
       std::mt19937& random)
      : dtype_(dtype),
        case_(c),
        positions_(std::move(positions)),
        slots_(std::move(slots)),
        qkv_(dtype, static_cast<int>(positions_.size()),
             (c.spec.num_heads + 2 * c.spec.num_kv_heads) * c.spec.head_dim),
        before_(qkv_),
        slab_(static_cast<size_t>(kBlockTokens * c.spec.head_dim)),
        pool_(slab_ * 2 * static_cast<size_t>(kBlocks * c.spec.num_kv_heads), kUntouched) {
    qkv_.fill_normal(random);
    before_ = qkv_;
    std::uniform_real_distribution<float> angle(-3, 3), weight(-2, 2);
    const int half = c.spec.rotary_dim / 2;
    cos_sin_.resize(static_cast<size_t>(kPositions * c.spec.rotary_dim));
    for (int p = 0; p < kPositions; ++p)
      for (int i = 0; i < half; ++i) {
        const float a = angle(random);
        cos_sin_[static_cast<size_t>(p * 2 * half + i)] = std::cos(a);
        cos_sin_[static_cast<size_t>(p * 2 * half + half + i)] = std::sin(a);
      }
    for (auto* w : {&wq_, &wk_})
      for (int i = 0; i < c.spec.head_dim; ++i) w->push_back(weight(random));
  }

  void run(const StreamRef& stream) {
    const HeadNorm norm{case_.norm ? wq_.data() : nullptr, case_.norm ? wk_.data() : nullptr,
                        1e-6f};
    rope_and_store(stream, dtype_, qkv_.view(), cos_sin_.data(), positions_.data(), slots_.data(),
                   pool_.data(), case_.spec, norm);
  }

  // Queries in place; keys and values in the pool; every other element of the pool as it was.
  void expect_right() {
    const RopeSpec& spec = case_.spec;
    std::vector<bool> known(pool_.size());
    for (int t = 0; t < qkv_.num_rows(); ++t) {
      const int32_t slot = slots_[static_cast<size_t>(t)];
      for (int h = 0; h < spec.num_heads + 2 * spec.num_kv_heads; ++h) {
        const bool is_q = h < spec.num_heads, is_v = h >= spec.num_heads + spec.num_kv_heads;
        for (int d = 0; d < spec.head_dim; ++d) {
          const double exact =
              is_v ? double{before_.get(t, h * spec.head_dim + d)} : expected(t, h, d);
          const double tolerance = is_v ? 0 : store_tolerance(dtype_, exact, 10);
          ASSERT_NEAR(qkv_.get(t, h * spec.head_dim + d), exact, tolerance)
              << "token " << t << " head " << h << " element " << d;
          if (is_q || slot < 0) continue;
          const size_t at = in_pool(slot, is_v, (h - spec.num_heads) % spec.num_kv_heads, d);
          known[at] = true;
          ASSERT_NEAR(half_value(dtype_, pool_[at]), exact, tolerance)
              << "slot " << slot << " head " << h << " element " << d;
        }
      }
    }
    for (const int32_t slot : slots_) {
      if (slot < 0 || slot % kBlockTokens != 0) continue;
      for (int row = 1; row < kBlockTokens; ++row)
        for (int h = 0; h < spec.num_kv_heads; ++h)
          for (int d = 0; d < spec.head_dim; ++d) {
            const size_t at = in_pool(slot + row, true, h, d);
            if (known[at]) continue;
            known[at] = true;
            ASSERT_EQ(pool_[at], 0) << "row " << row << " of a fresh block, element " << d;
          }
    }
    for (size_t i = 0; i < pool_.size(); ++i)
      ASSERT_TRUE(known[i] || pool_[i] == kUntouched) << "element " << i << " of the pool";
    qkv_.expect_canaries();
  }

  HalfRows& qkv() { return qkv_; }
  HalfRows& before() { return before_; }

 private:
  size_t in_pool(int slot, bool is_v, int kv_head, int d) const {
    const RopeSpec& spec = case_.spec;
    const auto slab = static_cast<size_t>(
        (slot / kBlockTokens * 2 + (is_v ? 1 : 0)) * spec.num_kv_heads + kv_head);
    return slab * slab_ +
           static_cast<size_t>(kv_slab_offset(spec.head_dim, slot % kBlockTokens, d));
  }

  double normalised(int t, int h, int d) {
    const RopeSpec& spec = case_.spec;
    const double v = before_.get(t, h * spec.head_dim + d);
    if (!case_.norm) return v;
    double squares = 0;
    for (int i = 0; i < spec.head_dim; ++i)
      squares += std::pow(double{before_.get(t, h * spec.head_dim + i)}, 2);
    const std::vector<float>& w = h < spec.num_heads ? wq_ : wk_;
    return v / std::sqrt(squares / spec.head_dim + 1e-6f) * w[static_cast<size_t>(d)];
  }

  // The formulas as the CPU backend has them: a' = a cos - b sin, b' = b cos + a sin.
  double expected(int t, int h, int d) {
    const RopeSpec& spec = case_.spec;
    const double own = normalised(t, h, d);
    if (d >= spec.rotary_dim) return own;
    const int half = spec.rotary_dim / 2, i = spec.interleaved ? d / 2 : d % half;
    const bool first = spec.interleaved ? d % 2 == 0 : d < half;
    const int other = spec.interleaved ? (first ? d + 1 : d - 1) : (first ? d + half : d - half);
    const float* row = cos_sin_.data() + positions_[static_cast<size_t>(t)] * spec.rotary_dim;
    const double b = normalised(t, h, other);
    return own * row[i] + (first ? -b : b) * row[half + i];
  }

  DType dtype_;
  Case case_;
  std::vector<int32_t> positions_, slots_;
  HalfRows qkv_, before_;
  size_t slab_;
  std::vector<uint16_t> pool_;
  std::vector<float> cos_sin_, wq_, wk_;
};

class Rope : public testing::TestWithParam<DType> {
 protected:
  const DType dtype_ = GetParam();
  const StreamRef stream_ = emulator_stream(90);
  std::mt19937 random_{kSeed};

  void SetUp() override { RecordProperty("seed", static_cast<int>(kSeed)); }
};

INSTANTIATE_TEST_SUITE_P(, Rope, testing::Values(DType::kF16, DType::kBF16),
                         [](const auto& i) { return name_of(i.param); });

std::vector<Case> cases() {
  return {
      {{.num_heads = 4, .num_kv_heads = 1, .head_dim = 128, .rotary_dim = 128}},
      {{.num_heads = 4, .num_kv_heads = 2, .head_dim = 128, .rotary_dim = 128}, true},
      {{.num_heads = 2, .num_kv_heads = 2, .head_dim = 64, .rotary_dim = 64}},
      {{.num_heads = 3,
        .num_kv_heads = 1,
        .head_dim = 128,
        .rotary_dim = 64,
        .interleaved = true}},  // GLM
      {{.num_heads = 3, .num_kv_heads = 3, .head_dim = 96, .rotary_dim = 96}},
      {{.num_heads = 3, .num_kv_heads = 1, .head_dim = 96, .rotary_dim = 32}, true},
      {{.num_heads = 2, .num_kv_heads = 1, .head_dim = 256, .rotary_dim = 256}, true},
      {{.num_heads = 2,
        .num_kv_heads = 1,
        .head_dim = 64,
        .rotary_dim = 20}},  // half a rotation is no multiple of 8
      {{.num_heads = 2, .num_kv_heads = 1, .head_dim = 64, .rotary_dim = 20, .interleaved = true},
       true},
      {{.num_heads = 2, .num_kv_heads = 1, .head_dim = 64, .rotary_dim = 8}, true},
      {{.num_heads = 2, .num_kv_heads = 1, .head_dim = 64, .rotary_dim = 0}},
      {{.num_heads = 2, .num_kv_heads = 1, .head_dim = 64, .rotary_dim = 0}, true},
  };
}

TEST_P(Rope, RotatesStoresAndTouchesNothingElse) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(testing::Message() << c);
    // A fresh block, one token after another, the last row of a block and the next block's first,
    // padding, and the middle of a block.
    Step step(dtype_, c, {0, 1, 2, 63, 64, 0, 299},
              {3 * 64, 3 * 64 + 1, 3 * 64 + 2, 64 + 63, 5 * 64, -1, 37}, random_);
    step.run(stream_);
    step.expect_right();
  }
}

TEST_P(Rope, ChunksOfAPromptZeroOnlyWhatTheyDoNotWrite) {
  const Case c{{.num_heads = 1, .num_kv_heads = 2, .head_dim = 64, .rotary_dim = 64}};
  for (const int tokens : {1, 2, 63, 64, 65, 130}) {
    std::vector<int32_t> positions, slots;
    const int blocks[] = {2, 0, 6};
    for (int t = 0; t < tokens; ++t) {
      positions.push_back(t);
      slots.push_back(blocks[t / 64] * 64 + t % 64);
    }
    positions.push_back(7);  // another sequence's token, in the same step
    slots.push_back(4 * 64 + 7);
    Step step(dtype_, c, positions, slots, random_);
    step.run(stream_);
    step.expect_right();
  }
}

TEST_P(Rope, AllPadding) {
  const Case c{{.num_heads = 2, .num_kv_heads = 1, .head_dim = 64, .rotary_dim = 64}};
  Step step(dtype_, c, {0, 0, 0}, {-1, -1, -1}, random_);
  step.run(stream_);
  step.expect_right();
}

TEST_P(Rope, OtherMultiplesOf32) {
  for (const int head_dim : {32, 160, 224})
    for (const bool interleaved : {false, true}) {
      const Case c{{.num_heads = 3,
                    .num_kv_heads = 1,
                    .head_dim = head_dim,
                    .rotary_dim = head_dim / 2,
                    .interleaved = interleaved},
                   true};
      SCOPED_TRACE(testing::Message() << c);
      Step step(dtype_, c, {5, 9}, {64, 65}, random_);
      step.run(stream_);
      step.expect_right();
    }
}

TEST_P(Rope, RefusesHeadsThatTheCacheHasNoLayoutFor) {
  const Rows rows{nullptr, 1024, 1, 1024};
  uint16_t pool = 0;
  for (const RopeSpec& spec :
       {RopeSpec{2, 1, 48, 48}, RopeSpec{2, 1, 288, 64}, RopeSpec{2, 1, 64, 33},
        RopeSpec{2, 1, 64, 66}, RopeSpec{2, 1, 0, 0}}) {
    try {
      rope_and_store(stream_, dtype_, rows, nullptr, nullptr, nullptr, &pool, spec);
      FAIL() << "accepted " << spec.head_dim;
    } catch (const std::runtime_error& e) {
      EXPECT_NE(std::string(e.what()).find("multiples of 32 up to 256"), std::string::npos)
          << e.what();
    }
  }
}

TEST_P(Rope, RefusesMoreThreadsThanItsNumbersHaveRoomFor) {
  uint16_t pool = 0;
  const RopeSpec spec{.num_heads = 126, .num_kv_heads = 1, .head_dim = 128, .rotary_dim = 128};
  try {
    rope_and_store(stream_, dtype_, {nullptr, 16384, 1 << 20, 16384}, nullptr, nullptr, nullptr,
                   &pool, spec);
    FAIL() << "2^31 threads";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("no launch has so many threads"), std::string::npos)
        << e.what();
  }
}

TEST_P(Rope, ATokenIsTheSameInEveryCompany) {
  const Case c{{.num_heads = 5, .num_kv_heads = 1, .head_dim = 64, .rotary_dim = 64}, true};
  Step step(dtype_, c, {11, 3, 11, 8, 11}, {-1, 64, -1, 130, -1}, random_);
  for (const int t : {2, 4})
    for (int i = 0; i < step.qkv().columns(); ++i)
      step.qkv().bits(t, i) = step.before().bits(t, i) = step.qkv().bits(0, i);
  step.run(stream_);
  for (const int t : {2, 4})
    for (int i = 0; i < step.qkv().columns(); ++i)
      ASSERT_EQ(step.qkv().bits(t, i), step.qkv().bits(0, i));
}

}  // namespace
}  // namespace ember::kernels
