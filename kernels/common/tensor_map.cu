// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>
#include <string>

#include "kernels/common/tensor_map.h"
#include "kernels/emulation.h"

#if !defined(EMBER_EMULATE)
#include <cuda_runtime_api.h>
#endif

namespace ember::kernels {

#if defined(EMBER_EMULATE)

CUtensorMap make_tensor_map(const void* data, const TensorShape& shape) {
  emu::TensorMap map{static_cast<const char*>(data), shape.rank, {1, 1, 1}, {0, 0}, {1, 1, 1}};
  for (int i = 0; i < shape.rank; ++i)
    map.dims[i] = static_cast<int64_t>(shape.dims[i]), map.box[i] = static_cast<int>(shape.box[i]);
  for (int i = 0; i + 1 < shape.rank; ++i) map.strides[i] = static_cast<int64_t>(shape.strides[i]);
  return emu::encode(map);
}

#else

namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

// The program is not linked to the driver's library, so that it starts where there is none.
Encode driver_encode() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result;
#if CUDART_VERSION >= 12050
  const cudaError_t status = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function,
                                                              12000, cudaEnableDefault, &result);
#else
  const cudaError_t status =
      cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &result);
#endif
  if (status != cudaSuccess || result != cudaDriverEntryPointSuccess) {
    throw std::runtime_error(
        "the CUDA driver has no cuTensorMapEncodeTiled: a driver for CUDA 12 or later is needed");
  }
  return reinterpret_cast<Encode>(function);
}

}  // namespace

CUtensorMap make_tensor_map(const void* data, const TensorShape& shape) {
  static const Encode encode = driver_encode();
  CUtensorMap map;
  const cuuint32_t ones[3] = {1, 1, 1};
  const CUtensorMapSwizzle swizzle =
      shape.box[0] == 64 ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_64B;
  const CUresult result =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_UINT16, static_cast<cuuint32_t>(shape.rank),
             const_cast<void*>(data), reinterpret_cast<const cuuint64_t*>(shape.dims),
             reinterpret_cast<const cuuint64_t*>(shape.strides), shape.box, ones,
             CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
             CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    throw std::runtime_error("tensor map of " + std::to_string(shape.dims[0]) + " x " +
                             std::to_string(shape.dims[1]) + ": CUDA driver error " +
                             std::to_string(static_cast<int>(result)));
  }
  return map;
}

#endif

}  // namespace ember::kernels
