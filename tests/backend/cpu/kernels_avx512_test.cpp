#include "backend/cpu/kernel_cases.h"

namespace ember::cpu {
namespace {

TEST(KernelsAvx512, EqualDoublePrecisionAndThemselvesRowByRow) { check_kernels(Isa::kAvx512, avx512_kernels()); }

TEST(KernelsAvx512, GiveTheSameBitsAsAvx2) {
  if (!machine_has(Isa::kAvx512)) return;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const Matrix m(dtype, 97, 95, 5);
    const std::vector<float> x = random_floats(static_cast<size_t>(7 * m.in), 6);
    EXPECT_EQ(run_linear(avx2_kernels(), m, x, {}, 7), run_linear(avx512_kernels(), m, x, {}, 7));
  }
  const std::vector<float> x = random_floats(1000, 7), w = random_floats(1000, 8);
  std::vector<float> a(1000), b(1000);
  avx2_kernels().rms_norm(a.data(), x.data(), w.data(), 1e-6f, 1000);
  avx512_kernels().rms_norm(b.data(), x.data(), w.data(), 1e-6f, 1000);
  EXPECT_EQ(a, b);
  avx2_kernels().silu_mul(a.data(), x.data(), w.data(), 1000);
  avx512_kernels().silu_mul(b.data(), x.data(), w.data(), 1000);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace ember::cpu
