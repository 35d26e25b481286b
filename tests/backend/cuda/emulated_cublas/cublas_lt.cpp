// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#include "ember/base/dtype.h"
#include "emulated_cublas.h"
#include "fake_runtime.h"

namespace emulated_cublas {

namespace {

// The library's handles lead to these.
struct Desc {
  cublasOperation_t transa = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};
struct Layout {
  cudaDataType type = CUDA_R_16F;
  uint64_t rows = 0, columns = 0;
  int64_t stride = 0;
};
struct Preference {
  size_t workspace_bytes = 0;
  uint32_t reduction_schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
};

// What the first two words of cublasLtMatmulAlgo_t are.
struct Algorithm {
  uint64_t mark = 0;  // kMark: it comes from here
  int64_t chosen_for = 0;
};
constexpr uint64_t kMark = 0xa190;

std::function<bool(int64_t, int64_t)> refused;
cublasStatus_t failure = CUBLAS_STATUS_SUCCESS;

template <class T, class Handle>
T& of(Handle handle) {
  return *reinterpret_cast<T*>(handle);
}

template <class T, class Handle>
cublasStatus_t make(Handle* handle, T value) {
  *handle = reinterpret_cast<Handle>(new T(std::move(value)));
  return CUBLAS_STATUS_SUCCESS;
}

template <class T, class Handle>
cublasStatus_t destroy(Handle handle) {
  delete &of<T>(handle);
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
cublasStatus_t set(T& attribute, const void* value, size_t bytes) {
  if (bytes != sizeof attribute) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&attribute, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

Algorithm algorithm_of(const cublasLtMatmulAlgo_t& algo) {
  return {algo.data[0], static_cast<int64_t>(algo.data[1])};
}

bool runs(const Algorithm& algorithm, int64_t tokens) {
  return algorithm.mark == kMark &&
         (refused ? !refused(algorithm.chosen_for, tokens) : tokens <= algorithm.chosen_for);
}

// y^T [out, tokens] = w^T' [in, out]' x^T [in, tokens], column by column.
bool fits(const Desc& desc, const Layout& w, const Layout& x, const Layout& y) {
  return desc.transa == CUBLAS_OP_T && w.rows == x.rows && w.columns == y.rows &&
         x.columns == y.columns && w.type == x.type && x.type == y.type &&
         w.stride >= static_cast<int64_t>(w.rows) && x.stride >= static_cast<int64_t>(x.rows) &&
         y.stride >= static_cast<int64_t>(y.rows) &&
         (desc.epilogue == CUBLASLT_EPILOGUE_DEFAULT || desc.epilogue == CUBLASLT_EPILOGUE_BIAS);
}

// Each algorithm of each shape is a kernel of its own: this is its address.
const void* kernel_of(const Desc& desc, const Layout& w, const Layout& x, const Layout& y, bool add,
                      const Algorithm& algorithm) {
  using Key =
      std::tuple<uint64_t, uint64_t, int64_t, int64_t, int64_t, uint32_t, int, bool, int64_t>;
  static std::map<Key, char> kernels;
  return &kernels[{w.rows, w.columns, w.stride, x.stride, y.stride, desc.epilogue,
                   static_cast<int>(w.type), add, algorithm.chosen_for}];
}

float element(cudaDataType type, const void* data, int64_t i) {
  const uint16_t bits = static_cast<const uint16_t*>(data)[i];
  return type == CUDA_R_16F ? ember::f16_to_float(bits) : ember::bf16_to_float(bits);
}

struct Product {
  Desc desc;
  Layout w, x, y;
  const void *weights = nullptr, *input = nullptr;
  void *output = nullptr, *workspace = nullptr;
  float alpha = 1, beta = 0;
};

void multiply(const Product& p) {
  std::memset(p.workspace, 0xff, 4096);  // as a kernel that uses it would
  for (int64_t t = 0; t < static_cast<int64_t>(p.x.columns); ++t)
    for (int64_t o = 0; o < static_cast<int64_t>(p.y.rows); ++o) {
      float sum = 0;
      for (int64_t i = 0; i < static_cast<int64_t>(p.x.rows); ++i)
        sum += element(p.x.type, p.input, t * p.x.stride + i) *
               element(p.w.type, p.weights, o * p.w.stride + i);
      sum *= p.alpha;
      if (p.desc.epilogue == CUBLASLT_EPILOGUE_BIAS) sum += element(p.y.type, p.desc.bias, o);
      if (p.beta != 0) sum += p.beta * element(p.y.type, p.output, t * p.y.stride + o);
      static_cast<uint16_t*>(p.output)[t * p.y.stride + o] =
          p.y.type == CUDA_R_16F ? ember::float_to_f16(sum) : ember::float_to_bf16(sum);
    }
}

}  // namespace

std::vector<Asked>& asked() {
  static std::vector<Asked> all;
  return all;
}
void refuse(std::function<bool(int64_t, int64_t)> by) { refused = std::move(by); }
void fail(cublasStatus_t status) { failure = status; }

}  // namespace emulated_cublas

using namespace emulated_cublas;

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) { return make(handle, char{}); }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return destroy<char>(handle); }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  return make(desc, Desc{});
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) { return destroy<Desc>(desc); }
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return set(of<Desc>(desc).transa, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return set(of<Desc>(desc).epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return set(of<Desc>(desc).bias, value, bytes);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t stride) {
  if (type != CUDA_R_16F && type != CUDA_R_16BF) return CUBLAS_STATUS_NOT_SUPPORTED;
  return make(layout, Layout{type, rows, columns, stride});
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy<Layout>(layout);
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* value, size_t bytes) {
  if (attribute != CUBLASLT_MATRIX_LAYOUT_COLS) return CUBLAS_STATUS_NOT_SUPPORTED;
  return set(of<Layout>(layout).columns, value, bytes);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return make(preference, Preference{});
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy<Preference>(preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return set(of<Preference>(preference).workspace_bytes, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return set(of<Preference>(preference).reduction_schemes, value, bytes);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t w, cublasLtMatrixLayout_t x,
                                              cublasLtMatrixLayout_t y, cublasLtMatrixLayout_t to,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results,
                                              int* count) {
  *count = 0;
  if (wanted < 1 || y != to || !fits(of<Desc>(desc), of<Layout>(w), of<Layout>(x), of<Layout>(y)))
    return CUBLAS_STATUS_INVALID_VALUE;
  const auto& wishes = of<Preference>(preference);
  const auto tokens = static_cast<int64_t>(of<Layout>(x).columns);
  asked().push_back({static_cast<int64_t>(of<Layout>(y).rows),
                     static_cast<int64_t>(of<Layout>(x).rows), tokens, wishes.workspace_bytes,
                     wishes.reduction_schemes});
  results[0] = {};
  results[0].algo.data[0] = kMark;
  results[0].algo.data[1] = static_cast<uint64_t>(tokens);
  results[0].workspaceSize = wishes.workspace_bytes;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t desc,
                                       cublasLtMatrixLayout_t w, cublasLtMatrixLayout_t x,
                                       cublasLtMatrixLayout_t y, cublasLtMatrixLayout_t to,
                                       const cublasLtMatmulAlgo_t* algo,
                                       cublasLtMatmulHeuristicResult_t* result) {
  const bool right = y == to && fits(of<Desc>(desc), of<Layout>(w), of<Layout>(x), of<Layout>(y)) &&
                     runs(algorithm_of(*algo), static_cast<int64_t>(of<Layout>(x).columns));
  *result = {};
  return right ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha,
                              const void* weights, cublasLtMatrixLayout_t w, const void* input,
                              cublasLtMatrixLayout_t x, const void* beta, const void* before,
                              cublasLtMatrixLayout_t y, void* output, cublasLtMatrixLayout_t to,
                              const cublasLtMatmulAlgo_t* algo, void* workspace, size_t,
                              cudaStream_t stream) {
  if (failure != CUBLAS_STATUS_SUCCESS) return failure;
  const Product p{.desc = of<Desc>(desc),
                  .w = of<Layout>(w),
                  .x = of<Layout>(x),
                  .y = of<Layout>(y),
                  .weights = weights,
                  .input = input,
                  .output = output,
                  .workspace = workspace,
                  .alpha = *static_cast<const float*>(alpha),
                  .beta = *static_cast<const float*>(beta)};
  const Algorithm algorithm = algorithm_of(*algo);
  if (before != output || y != to || !fits(p.desc, p.w, p.x, p.y) ||
      !runs(algorithm, static_cast<int64_t>(p.x.columns)))
    return CUBLAS_STATUS_INVALID_VALUE;
  const fake_cuda::Kernel kernel{.function =
                                     kernel_of(p.desc, p.w, p.x, p.y, p.beta != 0, algorithm)};
  return fake_cuda::launch(stream, kernel, [p] { multiply(p); }) == cudaSuccess
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_EXECUTION_FAILED;
}
