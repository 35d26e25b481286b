// SPDX-License-Identifier: Apache-2.0
#include <ostream>

#include "commands.h"
#include "ember/base/start_error.h"
#include "start_log.h"
#if defined(EMBER_CUDA)
#include "ember/backend/cuda/kernels_bench.h"
#endif

namespace ember {

ExitCode bench_kernels([[maybe_unused]] const Settings& settings,
                       [[maybe_unused]] std::ostream& out) {
#if defined(EMBER_CUDA)
  start_log(settings.log);
  const DType dtype =
      settings.bench_kernels.dtype == name_of(DType::kF16) ? DType::kF16 : DType::kBF16;
  const bool right = bench_cuda_kernels({.device = settings.device.index,
                                         .dtype = dtype,
                                         .tiny = settings.bench_kernels.tiny,
                                         .predict = settings.bench_kernels.predict,
                                         .families = settings.bench_kernels.families},
                                        out);
  return right ? ExitCode::kOk : ExitCode::kEngineFailed;
#else
  throw StartError(ExitCode::kNoDevice,
                   "this build of Ember has no CUDA: there are no kernels to measure");
#endif
}

}  // namespace ember
