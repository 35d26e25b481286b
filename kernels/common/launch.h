// SPDX-License-Identifier: Apache-2.0
// Launches a kernel on a StreamRef: clusters, dynamic shared memory, programmatic dependent launch.
// For .cu files.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <typeinfo>

#include "kernels/common.h"
#include "kernels/common/ptx.cuh"

namespace ember::kernels {

struct LaunchShape {
  dim3 grid = dim3(1);
  int threads = 0;
  size_t shared_bytes = 0;  // dynamic
  int cluster = 1;          // CTAs of a cluster along grid.x (sm_90)
};

#if !defined(EMBER_EMULATE)
inline cudaLaunchAttribute cluster_attribute(int ctas) {
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = static_cast<unsigned>(ctas);
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  return attribute;
}
#endif

// Clusters of such a launch that the device has room for at a time (sm_90).
template <class... Params>
int clusters_at_once(const LaunchShape& shape, void (*kernel)(Params...)) {
  const void* function = reinterpret_cast<const void*>(kernel);
  int count = 0;
  cudaError_t status = KernelAttributes().prepare(function, shape.shared_bytes);
#if defined(EMBER_EMULATE)
  if (status == cudaSuccess) count = 1;  // the machine runs one after another
#else
  cudaLaunchAttribute cluster = cluster_attribute(shape.cluster);
  cudaLaunchConfig_t config = {};
  config.gridDim = shape.grid;
  config.blockDim = dim3(static_cast<unsigned>(shape.threads));
  config.dynamicSmemBytes = shape.shared_bytes;
  config.attrs = &cluster;
  config.numAttrs = 1;
  if (status == cudaSuccess) status = cudaOccupancyMaxActiveClusters(&count, function, &config);
#endif
  launch_check(status, function);
  return count;
}

// With StreamRef::pdl the kernel may begin before the one before it has ended: it calls
// wait_for_dependencies() before it reads what a kernel wrote and before it writes anything, and
// launch_dependents() as early as it can. Throws what launch_check throws.
template <class... Params, class... Args>
void launch(const StreamRef& stream, const LaunchShape& shape, void (*kernel)(Params...),
            const Args&... args) {
  const void* function = reinterpret_cast<const void*>(kernel);
  KernelAttributes each_time;
  cudaError_t status = (stream.attributes != nullptr ? *stream.attributes : each_time)
                           .prepare(function, shape.shared_bytes);
  std::tuple<std::remove_cv_t<Params>...> values{static_cast<std::remove_cv_t<Params> >(args)...};
  void* pointers[sizeof...(Params)];
  std::apply(
      [&](auto&... value) {
        size_t i = 0;
        ((pointers[i++] = &value), ...);
      },
      values);
#if defined(EMBER_EMULATE)
  if (status == cudaSuccess)
    status =
        fake_cuda::launch(stream.handle, {function, &typeid(kernel), shape.shared_bytes, pointers},
                          [kernel, values,
                           launch = emu::Launch{shape.grid, shape.threads, shape.shared_bytes,
                                                shape.cluster, stream.pdl, stream.handle}] {
                            emu::run(launch, [&] { std::apply(kernel, values); });
                          });
#else
  cudaLaunchAttribute attributes[2] = {};
  cudaLaunchConfig_t config = {};
  config.gridDim = shape.grid;
  config.blockDim = dim3(static_cast<unsigned>(shape.threads));
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream.handle;
  config.attrs = attributes;
  if (shape.cluster > 1) attributes[config.numAttrs++] = cluster_attribute(shape.cluster);
  if (stream.pdl) {
    attributes[config.numAttrs].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[config.numAttrs].val.programmaticStreamSerializationAllowed = 1;
    ++config.numAttrs;
  }
  if (status == cudaSuccess) status = cudaLaunchKernelExC(&config, function, pointers);
#endif
  launch_check(status, function);
}

}  // namespace ember::kernels
