// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernel_cases.h"

namespace ember::cpu {
namespace {

TEST(KernelsAmx, EqualDoublePrecisionAndThemselvesRowByRow) { check_kernels(Isa::kAmx); }

// Three parts of an input are worth 24 bits; with two, or with the weights' own 8, this would fail
// by orders of magnitude.
TEST(KernelsAmx, ProductsAreAsExactAsThoseOfFloats) {
  EMBER_NEEDS(Isa::kAmx);
  const Kernels &avx512 = kernels_of(Isa::kAvx512), &amx = kernels_of(Isa::kAmx);
  const Matrix m(DType::kBF16, 64, 2048, 3);
  const std::vector<float> x = random_floats(static_cast<size_t>(8 * m.in), 4);
  const auto error = [&](const Kernels& kernels) {
    const std::vector<float> y = run_linear(kernels, m, x, {}, 8);
    double worst = 0;
    for (int64_t r = 0; r < 8; ++r)
      for (int64_t n = 0; n < m.out; ++n) {
        double sum = 0, magnitude = 0;
        for (int64_t k = 0; k < m.in; ++k) {
          const double product = double{x[static_cast<size_t>(r * m.in + k)]} *
                                 m.values[static_cast<size_t>(n * m.in + k)];
          sum += product;
          magnitude += std::abs(product);
        }
        worst = std::max(worst, std::abs(y[static_cast<size_t>(r * m.out + n)] - sum) / magnitude);
      }
    return worst;
  };
  const double tiles = error(amx), vectors = error(avx512);
  std::printf("largest error relative to the magnitude of the products: amx %.2g, avx512 %.2g\n",
              tiles, vectors);
  EXPECT_LT(tiles, 1e-7);
  EXPECT_LT(tiles, 1.5 * vectors);
}

TEST(KernelsAmx, OtherWeightsAreMultipliedAsWithAvx512) {
  EMBER_NEEDS(Isa::kAmx);
  const Kernels &avx512 = kernels_of(Isa::kAvx512), &amx = kernels_of(Isa::kAmx);
  for (const DType dtype : {DType::kF32, DType::kF16}) {
    const Matrix m(dtype, 97, 95, 5);
    const std::vector<float> x = random_floats(static_cast<size_t>(7 * m.in), 6);
    EXPECT_EQ(run_linear(amx, m, x, {}, 7), run_linear(avx512, m, x, {}, 7));
  }
}

}  // namespace
}  // namespace ember::cpu
