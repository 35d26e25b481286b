// SPDX-License-Identifier: Apache-2.0
#include "cuda/cublas_lt.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <map>
#include <tuple>

#include "cuda/error.h"
#include "ember/base/start_error.h"

namespace ember::cuda {

namespace {

struct Api {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
};

void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw StartError(ExitCode::kNoDevice, fmt::format("cuBLASLt: {} failed with status {}", call,
                                                      static_cast<int>(status)));
}

template <class Handle, class Destroy>
std::unique_ptr<std::remove_pointer_t<Handle>, Destroy> owned(Handle handle, Destroy destroy) {
  return {handle, destroy};
}

class Library final : public CublasLt {
 public:
  explicit Library(const Api& api) : api_(api) { check(api_.create(&handle_), "cublasLtCreate"); }
  ~Library() override { api_.destroy(handle_); }

  // cuBLAS is column-major: y^T [out, tokens] = w^T' [in, out]' x^T [in, tokens].
  void multiply(const LtProblem& p, void* workspace, cudaStream_t stream) override {
    before_call("cublasLtMatmul");
    const cudaDataType_t type = p.dtype == DType::kF16 ? CUDA_R_16F : CUDA_R_16BF;
    cublasLtMatmulDesc_t desc_handle = nullptr;
    check(api_.desc_create(&desc_handle, CUBLAS_COMPUTE_32F, CUDA_R_32F),
          "cublasLtMatmulDescCreate");
    const auto desc = owned(desc_handle, api_.desc_destroy);
    const cublasOperation_t transpose = CUBLAS_OP_T;
    check(api_.desc_set(desc.get(), CUBLASLT_MATMUL_DESC_TRANSA, &transpose, sizeof transpose),
          "TRANSA");
    if (p.bias != nullptr) {
      const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
      check(api_.desc_set(desc.get(), CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue),
            "EPILOGUE");
      check(api_.desc_set(desc.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p.bias, sizeof p.bias),
            "BIAS_POINTER");
    }
    const auto layout = [&](int64_t rows, int64_t columns, int64_t stride) {
      cublasLtMatrixLayout_t made = nullptr;
      check(api_.layout_create(&made, type, static_cast<uint64_t>(rows),
                               static_cast<uint64_t>(columns), stride),
            "cublasLtMatrixLayoutCreate");
      return owned(made, api_.layout_destroy);
    };
    const auto w = layout(p.in, p.out, p.w_stride), x = layout(p.in, p.tokens, p.x_stride),
               y = layout(p.out, p.tokens, p.y_stride);
    const float alpha = 1, beta = p.add ? 1 : 0;
    const auto run = [&](const cublasLtMatmulAlgo_t& algo) {
      return api_.matmul(handle_, desc.get(), &alpha, p.weights, w.get(), p.x, x.get(), &beta, p.y,
                         y.get(), p.y, y.get(), &algo, workspace, kWorkspaceBytes, stream);
    };
    // Choosing takes longer than launching, so numbers of tokens close to each other share a
    // choice.
    const Key key{p.out,      p.in,       (p.tokens + 127) / 128, p.w_stride,
                  p.x_stride, p.y_stride, p.bias != nullptr,      p.add};
    const auto found = algorithms_.find(key);
    if (found != algorithms_.end() && run(found->second) == CUBLAS_STATUS_SUCCESS) return;
    const cublasLtMatmulAlgo_t algo = choose(desc.get(), w.get(), x.get(), y.get());
    check(run(algo), "cublasLtMatmul");
    algorithms_[key] = algo;
  }

 private:
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, bool, bool>;

  cublasLtMatmulAlgo_t choose(cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t w,
                              cublasLtMatrixLayout_t x, cublasLtMatrixLayout_t y) {
    cublasLtMatmulPreference_t made = nullptr;
    check(api_.preference_create(&made), "cublasLtMatmulPreferenceCreate");
    const auto preference = owned(made, api_.preference_destroy);
    const size_t bytes = kWorkspaceBytes;
    check(api_.preference_set(preference.get(), CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes,
                              sizeof bytes),
          "MAX_WORKSPACE_BYTES");
    cublasLtMatmulHeuristicResult_t result = {};
    int count = 0;
    check(api_.heuristic(handle_, desc, w, x, y, y, preference.get(), 1, &result, &count),
          "cublasLtMatmulAlgoGetHeuristic");
    if (count == 0)
      throw StartError(ExitCode::kNoDevice, "cuBLASLt has no algorithm for a matrix of this model");
    return result.algo;
  }

  const Api api_;
  cublasLtHandle_t handle_ = nullptr;
  std::map<Key, cublasLtMatmulAlgo_t> algorithms_;
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
    why = name + " was not found (neither by the loader nor in /usr/local/cuda/lib64)";
    return nullptr;
  }
  Api api;
  const bool whole = find(library, "cublasLtCreate", api.create) &&
                     find(library, "cublasLtDestroy", api.destroy) &&
                     find(library, "cublasLtMatmul", api.matmul) &&
                     find(library, "cublasLtMatmulAlgoGetHeuristic", api.heuristic) &&
                     find(library, "cublasLtMatmulDescCreate", api.desc_create) &&
                     find(library, "cublasLtMatmulDescDestroy", api.desc_destroy) &&
                     find(library, "cublasLtMatmulDescSetAttribute", api.desc_set) &&
                     find(library, "cublasLtMatrixLayoutCreate", api.layout_create) &&
                     find(library, "cublasLtMatrixLayoutDestroy", api.layout_destroy) &&
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
