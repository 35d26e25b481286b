// SPDX-License-Identifier: Apache-2.0
#include "kernels/common.h"

namespace ember::kernels {

namespace {

constexpr size_t kAlwaysThere = 48 * 1024;  // dynamic shared memory that nobody asks for

}  // namespace

cudaError_t KernelAttributes::prepare(const void* kernel, size_t shared_bytes) {
  const auto [known, first] = shared_bytes_.try_emplace(kernel, kAlwaysThere);
  if (first)
    if (const cudaError_t status = cudaFuncSetAttribute(
            kernel, cudaFuncAttributePreferredSharedMemoryCarveout, shared_percent_);
        status != cudaSuccess)
      return status;
  if (shared_bytes > known->second) {
    const cudaError_t status = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
    if (status != cudaSuccess) return status;
    known->second = shared_bytes;
  }
  return cudaSuccess;
}

}  // namespace ember::kernels
