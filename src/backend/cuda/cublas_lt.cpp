// SPDX-License-Identifier: Apache-2.0
#include "cuda/cublas_lt.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cuda/error.h"
#include "ember/base/check.h"
#include "ember/base/device_error.h"

namespace ember::cuda {

namespace {

struct Api {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulAlgoCheck) algo_check = nullptr;
  decltype(&cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatrixLayoutSetAttribute) layout_set = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
};

void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw DeviceError(
        call, status,
        fmt::format("cuBLASLt: {} failed with status {}", call, static_cast<int>(status)));
}

template <class Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, cublasStatus_t (*)(Handle)>;

// What one shape is multiplied with: descriptors, and an algorithm for each number of tokens.
struct Product {
  Owned<cublasLtMatmulDesc_t> desc;
  Owned<cublasLtMatrixLayout_t> w, x, y;  // columns of x and y: the tokens of the present call
  int64_t first = 0;                      // number of tokens
  std::vector<cublasLtMatmulAlgo_t> algorithms;  // of first, first + 1, ... tokens
};

class Library final : public CublasLt {
 public:
  explicit Library(const Api& api) : api_(api) { check(api_.create(&handle_), "cublasLtCreate"); }
  ~Library() override {
    products_.clear();
    api_.destroy(handle_);
  }

  void choose(const LtShape& shape, int64_t first, int64_t last) override {
    before_call("cublasLtMatmulAlgoGetHeuristic");
    Product product = make_product(shape);
    product.first = first;
    for (int64_t begin = first; begin <= last;) {
      // The largest number of the bucket decides; who cannot be computed its way begins another.
      const int64_t end =
          std::min(last + 1, (begin + kBucketTokens - 1) / kBucketTokens * kBucketTokens + 1);
      const cublasLtMatmulAlgo_t algorithm = best(product, end - 1);
      for (; begin < end && runs(product, algorithm, begin); ++begin)
        product.algorithms.push_back(algorithm);
      if (begin < end) product.algorithms.push_back(best(product, begin++));
    }
    products_.insert_or_assign(shape, std::move(product));
  }

  std::vector<int64_t> first_uses() const override {
    std::set<int64_t> tokens;
    for (const auto& [shape, product] : products_) {
      std::set<std::string_view> used;  // as bytes: two that differ without need are used twice
      for (size_t i = 0; i < product.algorithms.size(); ++i) {
        const cublasLtMatmulAlgo_t& algorithm = product.algorithms[i];
        if (used.emplace(reinterpret_cast<const char*>(&algorithm), sizeof algorithm).second)
          tokens.insert(product.first + static_cast<int64_t>(i));
      }
    }
    return {tokens.begin(), tokens.end()};
  }

  void multiply(const LtProblem& p, void* workspace, cudaStream_t stream) override {
    before_call("cublasLtMatmul");
    const auto found = products_.find(p.shape);
    CHECK(found != products_.end() && (p.bias != nullptr) == p.shape.bias);
    const Product& product = found->second;
    const int64_t i = p.tokens - product.first;
    CHECK(i >= 0 && i < static_cast<int64_t>(product.algorithms.size()), "{} tokens", p.tokens);
    set_tokens(product, p.tokens);
    if (p.bias != nullptr)
      check(api_.desc_set(product.desc.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p.bias,
                          sizeof p.bias),
            "cublasLtMatmulDescSetAttribute");
    const float alpha = p.scale, beta = p.shape.add ? 1 : 0;
    check(api_.matmul(handle_, product.desc.get(), &alpha, p.weights, product.w.get(), p.x,
                      product.x.get(), &beta, p.y, product.y.get(), p.y, product.y.get(),
                      &product.algorithms[static_cast<size_t>(i)], workspace, kWorkspaceBytes,
                      stream),
          "cublasLtMatmul");
  }

 private:
  // cuBLAS is column-major: y^T [out, tokens] = w^T' [in, out]' x^T [in, tokens].
  Product make_product(const LtShape& shape) const {
    const cudaDataType_t type = shape.dtype == DType::kF16 ? CUDA_R_16F : CUDA_R_16BF;
    cublasLtMatmulDesc_t desc = nullptr;
    check(api_.desc_create(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
    const auto layout = [&](int64_t rows, int64_t columns, int64_t stride) {
      cublasLtMatrixLayout_t made = nullptr;
      check(api_.layout_create(&made, type, static_cast<uint64_t>(rows),
                               static_cast<uint64_t>(columns), stride),
            "cublasLtMatrixLayoutCreate");
      return Owned<cublasLtMatrixLayout_t>(made, api_.layout_destroy);
    };
    Owned<cublasLtMatmulDesc_t> owned(desc, api_.desc_destroy);
    const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
      check(api_.desc_set(desc, attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    if (shape.bias) set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    return {.desc = std::move(owned),
            .w = layout(shape.in, shape.out, shape.w_stride),
            .x = layout(shape.in, 1, shape.x_stride),
            .y = layout(shape.out, 1, shape.y_stride),
            .algorithms = {}};
  }

  void set_tokens(const Product& product, int64_t tokens) const {
    const auto columns = static_cast<uint64_t>(tokens);
    for (const cublasLtMatrixLayout_t layout : {product.x.get(), product.y.get()})
      check(api_.layout_set(layout, CUBLASLT_MATRIX_LAYOUT_COLS, &columns, sizeof columns),
            "cublasLtMatrixLayoutSetAttribute");
  }

  cublasLtMatmulAlgo_t best(const Product& product, int64_t tokens) const {
    set_tokens(product, tokens);
    cublasLtMatmulPreference_t made = nullptr;
    check(api_.preference_create(&made), "cublasLtMatmulPreferenceCreate");
    const Owned<cublasLtMatmulPreference_t> preference(made, api_.preference_destroy);
    const size_t bytes = kWorkspaceBytes;
    check(api_.preference_set(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes),
          "cublasLtMatmulPreferenceSetAttribute");
    // No sums of parts, which may be added in 16 bits.
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_NONE;
    check(api_.preference_set(made, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes,
                              sizeof schemes),
          "cublasLtMatmulPreferenceSetAttribute");
    cublasLtMatmulHeuristicResult_t result = {};
    int count = 0;
    check(api_.heuristic(handle_, product.desc.get(), product.w.get(), product.x.get(),
                         product.y.get(), product.y.get(), made, 1, &result, &count),
          "cublasLtMatmulAlgoGetHeuristic");
    if (count == 0) throw std::runtime_error("cuBLASLt has no algorithm for one of its matrices");
    return result.algo;
  }

  bool runs(const Product& product, const cublasLtMatmulAlgo_t& algorithm, int64_t tokens) const {
    set_tokens(product, tokens);
    cublasLtMatmulHeuristicResult_t result = {};
    return api_.algo_check(handle_, product.desc.get(), product.w.get(), product.x.get(),
                           product.y.get(), product.y.get(), &algorithm,
                           &result) == CUBLAS_STATUS_SUCCESS &&
           result.workspaceSize <= kWorkspaceBytes;
  }

  const Api api_;
  cublasLtHandle_t handle_ = nullptr;
  std::map<LtShape, Product> products_;
};

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

}  // namespace

std::unique_ptr<CublasLt> CublasLt::open(std::string& why) {
  const std::string name = fmt::format("libcublasLt.so.{}", CUBLAS_VER_MAJOR);
  void* library = nullptr;
  for (const std::string& path :
       {name, "/usr/local/cuda/lib64/" + name, std::string(EMBER_CUDA_LIBRARY_DIR "/") + name})
    if (library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL); library != nullptr) break;
  if (library == nullptr) {
    why = name +
          " was not found (by the loader, in /usr/local/cuda/lib64 and in " EMBER_CUDA_LIBRARY_DIR
          ")";
    return nullptr;
  }
  Api api;
  const bool whole = find(library, "cublasLtCreate", api.create) &&
                     find(library, "cublasLtDestroy", api.destroy) &&
                     find(library, "cublasLtMatmul", api.matmul) &&
                     find(library, "cublasLtMatmulAlgoGetHeuristic", api.heuristic) &&
                     find(library, "cublasLtMatmulAlgoCheck", api.algo_check) &&
                     find(library, "cublasLtMatmulDescCreate", api.desc_create) &&
                     find(library, "cublasLtMatmulDescDestroy", api.desc_destroy) &&
                     find(library, "cublasLtMatmulDescSetAttribute", api.desc_set) &&
                     find(library, "cublasLtMatrixLayoutCreate", api.layout_create) &&
                     find(library, "cublasLtMatrixLayoutDestroy", api.layout_destroy) &&
                     find(library, "cublasLtMatrixLayoutSetAttribute", api.layout_set) &&
                     find(library, "cublasLtMatmulPreferenceCreate", api.preference_create) &&
                     find(library, "cublasLtMatmulPreferenceDestroy", api.preference_destroy) &&
                     find(library, "cublasLtMatmulPreferenceSetAttribute", api.preference_set);
  if (!whole) {
    why = name + " lacks functions of its interface";
    return nullptr;
  }
  return std::make_unique<Library>(api);
}

}  // namespace ember::cuda
