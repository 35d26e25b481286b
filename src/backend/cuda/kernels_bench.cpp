// SPDX-License-Identifier: Apache-2.0
#include "ember/backend/cuda/kernels_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cuda/cublas_lt.h"
#include "cuda/device.h"
#include "cuda/error.h"
#include "ember/base/log.h"
#include "ember/base/start_error.h"
#include "kernels/bench/kernels_bench.h"

namespace ember {

namespace {

// cuBLAS's workspace, as long as it is needed.
struct Workspace {
  Workspace() { CUDA_CHECK(cudaMalloc(&data, cuda::CublasLt::kWorkspaceBytes)); }
  ~Workspace() { cudaFree(data); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  void* data = nullptr;
};

std::vector<std::string> chosen(const std::vector<std::string>& asked_for) {
  const std::vector<std::string> all(std::begin(kernels::bench::kFamilies),
                                     std::end(kernels::bench::kFamilies));
  for (const std::string& family : asked_for)
    if (std::ranges::find(all, family) == all.end())
      throw StartError(ExitCode::kUsage, fmt::format("{}: the families of kernels are {}", family,
                                                     fmt::join(all, ", ")));
  return asked_for.empty() ? all : asked_for;
}

}  // namespace

bool bench_cuda_kernels(const KernelsBenchOptions& options, std::ostream& out) {
  kernels::bench::Options bench{
      .dtype = options.dtype, .tiny = options.tiny, .families = chosen(options.families)};
  bench.print = [&](const std::string& line) {
    out << line << std::endl;
  };  // each at once: a later one may hang
  cuda::open_device(0);
  const Workspace workspace;
  std::string why;
  std::unique_ptr<cuda::CublasLt> cublas = cuda::CublasLt::open(why);
  int tokens = 0;  // that cublas chose its kernels for: it shares a choice between numbers close to
                   // each other, which would not be its best
  if (!cublas)
    spdlog::warn("{}: nothing to compare with", why);
  else
    bench.cublas = [&](const kernels::bench::Product& p, cudaStream_t stream) {
      if (std::exchange(tokens, p.tokens) != p.tokens) cublas = cuda::CublasLt::open(why);
      cublas->multiply({.dtype = p.dtype,
                        .weights = p.weights,
                        .w_stride = p.in,
                        .x = p.x,
                        .x_stride = p.in,
                        .y = p.y,
                        .y_stride = p.out,
                        .tokens = p.tokens,
                        .in = p.in,
                        .out = p.out},
                       workspace.data, stream);
    };
  return kernels::bench::run(bench);
}

}  // namespace ember
