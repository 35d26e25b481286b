// SPDX-License-Identifier: Apache-2.0
// cuBLASLt's place on the emulated GPU: plain loops on the stream.
#include <cstring>

#include "cuda/cublas_lt.h"
#include "fake_runtime.h"

namespace ember::cuda {

namespace {

float element(DType dtype, const void* data, int64_t i) {
  const uint16_t bits = static_cast<const uint16_t*>(data)[i];
  return dtype == DType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
}

class Emulated final : public CublasLt {
 public:
  void multiply(const LtProblem& p, void* workspace, cudaStream_t stream) override {
    fake_cuda::enqueue(stream, [p, workspace] {
      std::memset(workspace, 0xff, 4096);  // as a kernel that uses it would
      for (int64_t t = 0; t < p.tokens; ++t)
        for (int64_t o = 0; o < p.out; ++o) {
          float sum = 0;
          for (int64_t i = 0; i < p.in; ++i)
            sum += element(p.dtype, p.x, t * p.x_stride + i) *
                   element(p.dtype, p.weights, o * p.w_stride + i);
          if (p.bias != nullptr) sum += element(p.dtype, p.bias, o);
          if (p.add) sum += element(p.dtype, p.y, t * p.y_stride + o);
          static_cast<uint16_t*>(p.y)[t * p.y_stride + o] =
              p.dtype == DType::kF16 ? float_to_f16(sum) : float_to_bf16(sum);
        }
    });
  }
};

}  // namespace

std::unique_ptr<CublasLt> CublasLt::open(std::string&) { return std::make_unique<Emulated>(); }

}  // namespace ember::cuda
