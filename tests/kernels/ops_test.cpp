// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops.h"

#include <gtest/gtest.h>

#include <numbers>
#include <stdexcept>

#include "kernels/emulator_stream.h"
#include "kernels/half_rows.h"

namespace ember::kernels {
namespace {

constexpr uint32_t kSeed = 1;

class Ops : public testing::TestWithParam<DType> {
 protected:
  const DType dtype_ = GetParam();
  const StreamRef stream_ = emulator_stream(90);
  std::mt19937 random_{kSeed};

  void SetUp() override { RecordProperty("seed", static_cast<int>(kSeed)); }

  // Four rows, of which three are to be added: x to the residual, and what that gives.
  struct Added {
    HalfRows x, residual, y, sum;
  };
  Added added(int columns) {
    HalfRows x(dtype_, 4, columns), residual(dtype_, 4, columns), y(dtype_, 4, columns);
    x.fill_normal(random_);
    residual.fill_normal(random_, 30);
    HalfRows sum = residual;
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < columns; ++c) sum.set(r, c, residual.get(r, c) + x.get(r, c));
    return {x, residual, y, sum};
  }

  // `multiply` opens gates, which come eight by eight before their ups, as `gate` says; the error
  // of float32 is relative to `largest`.
  void expect_gated(decltype(silu_mul)& multiply, double (*gate)(double),
                    double (*largest)(double)) {
    for (const int columns : {8, 96, 2056, 4104}) {
      HalfRows gate_up(dtype_, 4, 2 * columns), y(dtype_, 4, columns);
      gate_up.fill_normal(random_, 4);
      gate_up.set(0, 0, 0);
      gate_up.set(1, 0, -200);
      gate_up.set(2, 0, 200);
      multiply(stream_, dtype_, y.view(3), gate_up.data(), gate_up.stride());
      for (int r = 0; r < 3; ++r)
        for (int c = 0; c < columns; ++c) {
          const double g = gate_up.get(r, c / 8 * 16 + c % 8),
                       up = gate_up.get(r, c / 8 * 16 + 8 + c % 8), exact = gate(g) * up;
          const double tolerance = store_tolerance(dtype_, exact, 2 * std::abs(largest(g) * up));
          ASSERT_NEAR(y.get(r, c), exact, tolerance) << r << " " << c;
        }
      y.expect_canaries(3);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(, Ops, testing::Values(DType::kF16, DType::kBF16),
                         [](const auto& i) { return name_of(i.param); });

TEST_P(Ops, EmbedCopiesRowsOfKnownAndOfSampledIds) {
  constexpr int kVocab = 11;
  for (const int columns : {1, 16, 33, 100, 2056}) {
    for (const int padding :
         {8, 3}) {  // rows of the table that begin at multiples of 16 bytes, and others
      SCOPED_TRACE(testing::Message() << columns << " columns, padding " << padding);
      HalfRows table(dtype_, kVocab, columns, padding);
      table.fill_normal(random_);
      const std::vector<int32_t> ids = {3, 0, 10, -1, -2, -3, 11, 5}, previous = {7, -1, 2};
      const std::vector<int> expected = {3, 0, 10, 7, -1, 2, -1, 5};
      HalfRows y(dtype_, static_cast<int>(ids.size()) + 2, columns);
      embed(stream_, dtype_, y.view(static_cast<int>(ids.size())), table.data(), table.stride(),
            kVocab, ids.data(), previous.data());
      HalfRows scaled = y;
      embed(stream_, dtype_, scaled.view(static_cast<int>(ids.size())), table.data(),
            table.stride(), kVocab, ids.data(), previous.data(), 5.65625f);
      for (int t = 0; t < static_cast<int>(ids.size()); ++t)
        for (int c = 0; c < columns; ++c) {
          const int row = expected[static_cast<size_t>(t)];
          ASSERT_EQ(y.bits(t, c), row < 0 ? 0 : table.bits(row, c)) << t << " " << c;
          ASSERT_EQ(scaled.bits(t, c), half_bits(dtype_, y.get(t, c) * 5.65625f));
        }
      y.expect_canaries(static_cast<int>(ids.size()));
      scaled.expect_canaries(static_cast<int>(ids.size()));
    }
  }
}

std::vector<float> random_weights(std::mt19937& random, int n) {
  std::uniform_real_distribution<float> uniform(-2, 2);
  std::vector<float> w(static_cast<size_t>(n));
  for (float& v : w) v = uniform(random);
  return w;
}

// y against float64 of what `x` holds.
void expect_normalised(HalfRows& y, HalfRows& x, const std::vector<float>& w, float eps, int rows) {
  for (int r = 0; r < rows; ++r) {
    double squares = 0;
    for (int c = 0; c < x.columns(); ++c) squares += double{x.get(r, c)} * x.get(r, c);
    const double factor = 1 / std::sqrt(squares / x.columns() + eps);
    for (int c = 0; c < x.columns(); ++c) {
      const double exact = x.get(r, c) * factor * w[static_cast<size_t>(c)];
      ASSERT_NEAR(y.get(r, c), exact, store_tolerance(y.dtype(), exact, std::abs(exact)))
          << "row " << r << " column " << c << " of " << x.columns();
    }
  }
}

TEST_P(Ops, RmsNorm) {
  for (const int columns :
       {1, 7, 16, 32, 250, 256, 257, 1000, 2048, 2049, 4096, 5120, 16384, 16392}) {
    HalfRows x(dtype_, 5, columns), y(dtype_, 5, columns);
    x.fill_normal(random_);
    for (int c = 0; c < columns; ++c) {
      x.set(1, c, 0);
      x.set(2, c, c % 2 == 0 ? 1e4f : -1e4f);
      x.set(3, c, 1e-3f);  // eps decides
    }
    const std::vector<float> w = random_weights(random_, columns);
    rms_norm(stream_, dtype_, y.view(4), x.view(4), w.data(), 1e-5f);
    expect_normalised(y, x, w, 1e-5f, 4);
    y.expect_canaries(4);
  }
}

TEST_P(Ops, RmsNormInPlaceAndOfTheSameRowAnywhereIsTheSame) {
  for (const int columns : {48, 3000}) {
    HalfRows x(dtype_, 9, columns), y(dtype_, 9, columns);
    x.fill_normal(random_);
    for (int r = 1; r < 9; r += 2)
      for (int c = 0; c < columns; ++c) x.bits(r, c) = x.bits(0, c);
    const std::vector<float> w = random_weights(random_, columns);
    rms_norm(stream_, dtype_, y.view(), x.view(), w.data(), 1e-6f);
    rms_norm(stream_, dtype_, x.view(), x.view(), w.data(), 1e-6f);
    for (int c = 0; c < columns; ++c)
      for (int r = 0; r < 9; ++r) {
        ASSERT_EQ(y.bits(r, c), x.bits(r, c));
        if (r % 2 == 1) {
          ASSERT_EQ(y.bits(r, c), y.bits(0, c));
        }
      }
  }
}

TEST_P(Ops, AddRmsNormRoundsTheResidualAndNormalisesWhatItRounded) {
  for (const int columns : {5, 64, 1111, 4096, 20000}) {
    auto [x, residual, y, sum] = added(columns);
    const std::vector<float> w = random_weights(random_, columns);
    add_rms_norm(stream_, dtype_, y.view(3), residual.view(3), x.view(3), w.data(), 1e-5f);
    for (int r = 0; r < 4; ++r)
      for (int c = 0; c < columns; ++c)
        ASSERT_EQ(residual.bits(r, c), sum.bits(r, c)) << r << " " << c;
    expect_normalised(y, sum, w, 1e-5f, 3);
    y.expect_canaries(3);
    residual.expect_canaries();

    HalfRows again = sum;  // y may be x
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < columns; ++c) again.set(r, c, 0);
    add_rms_norm(stream_, dtype_, again.view(3), residual.view(3), again.view(3), w.data(), 1e-5f);
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < columns; ++c) ASSERT_EQ(again.bits(r, c), y.bits(r, c));
  }
}

TEST_P(Ops, RmsNormRefusesRowsThatAreTooWide) {
  const Rows rows{nullptr, 65544, 1, 65537};
  const float w = 1;
  try {
    rms_norm(stream_, dtype_, rows, rows, &w, 1e-5f);
    FAIL() << "accepted";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("65536"), std::string::npos) << e.what();
  }
}

TEST_P(Ops, NoWeightsAreNoNorm) {
  for (const int columns : {5, 64, 1111, 4096, 20000}) {
    auto [x, residual, y, sum] = added(columns);
    rms_norm(stream_, dtype_, y.view(3), x.view(3), nullptr, 1e-5f);
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < columns; ++c) ASSERT_EQ(y.bits(r, c), x.bits(r, c));
    y.expect_canaries(3);
    HalfRows before = x;
    add_rms_norm(stream_, dtype_, x.view(3), residual.view(3), x.view(3), nullptr, 1e-5f);
    for (int r = 0; r < 4; ++r)
      for (int c = 0; c < columns; ++c) {
        ASSERT_EQ(residual.bits(r, c), sum.bits(r, c)) << r << " " << c;
        ASSERT_EQ(x.bits(r, c), r < 3 ? sum.bits(r, c) : before.bits(r, c));
      }
    x.expect_canaries();
  }
}

TEST_P(Ops, SiluMul) {
  const auto silu = [](double g) { return g / (1 + std::exp(-g)); };
  expect_gated(silu_mul, silu, silu);
}

TEST_P(Ops, GeluMul) {
  const auto gelu = [](double g) {
    const double u = std::sqrt(2 / std::numbers::pi) * (g + 0.044715 * g * g * g);
    return g / 2 * (1 + std::tanh(u));
  };
  expect_gated(gelu_mul, gelu, [](double g) { return g; });
}

TEST(FloatOps, SoftcapTouchesItsColumnsAlone) {
  std::mt19937 random(kSeed);
  std::normal_distribution<float> normal(0, 40);
  for (const int columns : {1, 33, 256, 2048, 5000}) {
    const int64_t stride = columns + 3;
    std::vector<float> x(static_cast<size_t>(3 * stride)), before;
    for (float& v : x) v = normal(random);
    x[0] = 1e30f;
    before = x;
    softcap(emulator_stream(90), x.data(), stride, 2, columns, 30);
    for (size_t i = 0; i < x.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const bool inside = at / stride < 2 && at % stride < columns;
      const double exact = inside ? 30 * std::tanh(double{before[i]} / 30) : double{before[i]};
      ASSERT_NEAR(x[i], exact, inside ? 1e-5 : 0) << i;
    }
  }
}

TEST_P(Ops, GatherRowsCopiesBitsAndSkipsNegativeRows) {
  for (const int columns : {3, 64, 4100}) {
    HalfRows x(dtype_, 6, columns), y(dtype_, 4, columns);
    x.fill_normal(random_);
    x.bits(5, 0) = 0x7fff;  // a NaN stays the NaN it is
    const std::vector<int32_t> rows = {5, 0, -1, 5};
    gather_rows(stream_, y.view(), x.view(), rows.data());
    for (int i = 0; i < 4; ++i)
      for (int c = 0; c < columns; ++c) {
        const int row = rows[static_cast<size_t>(i)];
        ASSERT_EQ(y.bits(i, c), row < 0 ? kCanary : x.bits(row, c));
      }
    y.expect_canaries();
  }
}

TEST_P(Ops, NothingToDoIsNothing) {
  const Rows none{nullptr, 64, 0, 64};
  embed(stream_, dtype_, none, nullptr, 64, 10, nullptr, nullptr);
  rms_norm(stream_, dtype_, none, none, nullptr, 1e-5f);
  silu_mul(stream_, dtype_, none, nullptr, 128);
  gelu_mul(stream_, dtype_, none, nullptr, 128);
  softcap(stream_, nullptr, 128, 0, 128, 30);
  gather_rows(stream_, none, none, nullptr);
  rope_and_store(stream_, dtype_, none, nullptr, nullptr, nullptr, nullptr,
                 {.num_heads = 2, .num_kv_heads = 1, .head_dim = 64, .rotary_dim = 64});
}

}  // namespace
}  // namespace ember::kernels
