// SPDX-License-Identifier: Apache-2.0
// cuBLASLt's place on the emulated GPU: plain loops on the stream.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "cuda/cublas_lt.h"
#include "ember/base/check.h"
#include "ember/base/integers.h"
#include "fake_runtime.h"

namespace ember::cuda {

namespace {

float element(DType dtype, const void* data, int64_t i) {
  const uint16_t bits = static_cast<const uint16_t*>(data)[i];
  return dtype == DType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
}

class Emulated final : public CublasLt {
 public:
  void choose(const LtShape& shape, int64_t first, int64_t last) override {
    Choice& choice = chosen_[shape];
    choice = {.first = first, .last = last, .algorithms = {}};
    for (int64_t tokens = first; tokens <= last; ++tokens)
      choice.algorithms.try_emplace(bucket(tokens));
  }

  std::vector<int64_t> first_uses() const override {
    std::set<int64_t> tokens;
    for (const auto& [shape, choice] : chosen_)
      for (const auto& [number, algorithm] : choice.algorithms)
        tokens.insert(std::max(choice.first, (number - 1) * kBucketTokens + 1));
    return {tokens.begin(), tokens.end()};
  }

  void multiply(const LtProblem& p, void* workspace, cudaStream_t stream) override {
    const auto found = chosen_.find(p.shape);
    CHECK(
        found != chosen_.end() && p.tokens >= found->second.first && p.tokens <= found->second.last,
        "{} tokens were not chosen for", p.tokens);
    CHECK((p.bias != nullptr) == p.shape.bias);
    const void* const algorithm = &found->second.algorithms.at(bucket(p.tokens));
    fake_cuda::launch(stream, {.function = algorithm}, [p, workspace] {
      const LtShape& s = p.shape;
      std::memset(workspace, 0xff, 4096);  // as a kernel that uses it would
      for (int64_t t = 0; t < p.tokens; ++t)
        for (int64_t o = 0; o < s.out; ++o) {
          float sum = 0;
          for (int64_t i = 0; i < s.in; ++i)
            sum += element(s.dtype, p.x, t * s.x_stride + i) *
                   element(s.dtype, p.weights, o * s.w_stride + i);
          sum *= p.scale;
          if (p.bias != nullptr) sum += element(s.dtype, p.bias, o);
          if (s.add) sum += element(s.dtype, p.y, t * s.y_stride + o);
          static_cast<uint16_t*>(p.y)[t * s.y_stride + o] =
              s.dtype == DType::kF16 ? float_to_f16(sum) : float_to_bf16(sum);
        }
    });
  }

 private:
  // For each bucket of tokens another algorithm; its address stands for its kernel.
  struct Choice {
    int64_t first = 0, last = 0;  // numbers of tokens
    std::map<int64_t, char> algorithms;
  };
  static int64_t bucket(int64_t tokens) { return ceil_div(tokens, kBucketTokens); }

  std::map<LtShape, Choice> chosen_;
};

}  // namespace

std::unique_ptr<CublasLt> CublasLt::open(std::string&) { return std::make_unique<Emulated>(); }

}  // namespace ember::cuda
