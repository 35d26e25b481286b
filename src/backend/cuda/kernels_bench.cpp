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
#include "kernels/bench/predictions.h"

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
  if (options.predict) {
    kernels::bench::print_predictions(bench);
    return true;
  }
  cuda::open_device(options.device);
  const Workspace workspace;
  std::string why;
  std::unique_ptr<cuda::CublasLt> cublas = cuda::CublasLt::open(why);
  if (!cublas)
    spdlog::warn("{}: nothing to compare with", why);
  else
    bench.cublas = [&, chosen = std::pair(cuda::LtShape{}, 0)](const kernels::bench::Product& p,
                                                               cudaStream_t stream) mutable {
      const cuda::LtShape shape{.dtype = p.dtype,
                                .in = p.in,
                                .out = p.out,
                                .w_stride = p.in,
                                .x_stride = p.in,
                                .y_stride = p.out};
      // Its best for exactly so many tokens, before the calls that are timed.
      if (const auto now = std::pair(shape, p.tokens); std::exchange(chosen, now) != now)
        cublas->choose(shape, p.tokens, p.tokens);
      cublas->multiply(
          {.shape = shape, .weights = p.weights, .x = p.x, .y = p.y, .tokens = p.tokens},
          workspace.data, stream);
    };
  return kernels::bench::run(bench);
}

}  // namespace ember
