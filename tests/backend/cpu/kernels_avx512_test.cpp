// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/kernel_cases.h"

namespace ember::cpu {
namespace {

TEST(KernelsAvx512, EqualDoublePrecisionAndThemselvesRowByRow) { check_kernels(Isa::kAvx512); }

TEST(KernelsAvx512, GiveTheSameBitsAsAvx2) {
  EMBER_NEEDS(Isa::kAvx512);
  const Kernels &avx2 = kernels_of(Isa::kAvx2), &avx512 = kernels_of(Isa::kAvx512);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const Matrix m(dtype, 97, 95, 5);
    const std::vector<float> x = random_floats(static_cast<size_t>(7 * m.in), 6);
    EXPECT_EQ(run_linear(avx2, m, x, {}, 7), run_linear(avx512, m, x, {}, 7));
  }
  const std::vector<float> x = random_floats(1000, 7), w = random_floats(1000, 8);
  std::vector<float> a(1000), b(1000);
  avx2.rms_norm(a.data(), x.data(), w.data(), 1e-6f, 1000);
  avx512.rms_norm(b.data(), x.data(), w.data(), 1e-6f, 1000);
  EXPECT_EQ(a, b);
  avx2.silu_mul(a.data(), x.data(), w.data(), 1000);
  avx512.silu_mul(b.data(), x.data(), w.data(), 1000);
  EXPECT_EQ(a, b);
  avx2.gelu_mul(a.data(), x.data(), w.data(), 1000);
  avx512.gelu_mul(b.data(), x.data(), w.data(), 1000);
  EXPECT_EQ(a, b);
  avx2.softcap(a.data(), 0.5f, 1000);
  avx512.softcap(b.data(), 0.5f, 1000);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace ember::cpu
