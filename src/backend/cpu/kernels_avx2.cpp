// Compiled for its instruction set alone (see isa.cmake).
#include "backend/cpu/kernels.h"
#include "backend/cpu/vec_avx2.h"

namespace ember::cpu {

namespace avx2 {
namespace {
#include "backend/cpu/kernels_impl.h"
}  // namespace
}  // namespace avx2

const Kernels& avx2_kernels() {
  static constexpr Kernels kernels{avx2::linear, avx2::attention, avx2::rms_norm, avx2::add_rms_norm, avx2::silu_mul, avx2::exp};
  return kernels;
}

}  // namespace ember::cpu
