// SPDX-License-Identifier: Apache-2.0
// RMSNorm of rows: one CTA per row, the row in registers, one barrier. And the sum alone.
#include <stdexcept>
#include <string>

#include "kernels/ops.h"
#include "kernels/vector.cuh"

namespace ember::kernels {

namespace {

template <class T>
struct NormArgs {
  T* y;
  T* residual;  // null: x is normalised as it is
  const T* x;
  int64_t y_stride, residual_stride, x_stride;
  const float* w;
  float eps;
  int columns;
};

// kEights: groups of eight columns per thread. The sum's order depends on the width alone.
template <class T, int kThreads, int kEights>
__global__ void __launch_bounds__(kThreads) norm_kernel(const __grid_constant__ NormArgs<T> args) {
  __shared__ float sums[kThreads / 32];
  launch_dependents();
  const int thread = static_cast<int>(threadIdx.x), n = args.columns;
  constexpr bool kPrefetch =
      kEights <=
      2;  // weights are constant and may be loaded before the dependency; else registers are short
  float w[kPrefetch ? kEights : 1][8];
  if constexpr (kPrefetch)
    for (int e = 0; e < kEights; ++e)
      load_eight_floats(w[e], args.w, (e * kThreads + thread) * 8, n);
  wait_for_dependencies();

  const int64_t row = blockIdx.x;
  const T* x = args.x + row * args.x_stride;
  T* residual = args.residual + row * args.residual_stride;
  Eight<T> values[kEights];
  float sum = 0;
#pragma unroll
  for (int e = 0; e < kEights; ++e) {
    const int i = (e * kThreads + thread) * 8;
    values[e] = load_eight(x, i, n);
    if (args.residual != nullptr) {
      const Eight<T> r = load_eight(residual, i, n);
      for (int j = 0; j < 8; ++j)
        values[e].v[j] = from_float<T>(to_float(values[e].v[j]) + to_float(r.v[j]));
      store_eight(residual, i, n, values[e]);
    }
    for (int j = 0; j < 8; ++j) sum += to_float(values[e].v[j]) * to_float(values[e].v[j]);
  }
  for (int mask = 16; mask > 0; mask /= 2) sum += __shfl_xor_sync(~0u, sum, mask);
  if (thread % 32 == 0) sums[thread / 32] = sum;
  __syncthreads();
  float total = 0;
  for (int i = 0; i < kThreads / 32; ++i) total += sums[i];
  const float factor = 1.0f / sqrtf(total / static_cast<float>(n) + args.eps);

  T* y = args.y + row * args.y_stride;
#pragma unroll
  for (int e = 0; e < kEights; ++e) {
    const int i = (e * kThreads + thread) * 8;
    float late[8];
    if constexpr (!kPrefetch) load_eight_floats(late, args.w, i, n);
    for (int j = 0; j < 8; ++j)
      values[e].v[j] = from_float<T>(to_float(values[e].v[j]) * factor *
                                     (kPrefetch ? w[kPrefetch ? e : 0][j] : late[j]));
    store_eight(y, i, n, values[e]);
  }
}

constexpr int kAddThreads = 256;

// Without weights: no norm.
template <class T>
__global__ void __launch_bounds__(kAddThreads)
    add_kernel(const __grid_constant__ NormArgs<T> args) {
  launch_dependents();
  wait_for_dependencies();
  const int64_t row = blockIdx.x;
  const T* x = args.x + row * args.x_stride;
  T* residual = args.residual + row * args.residual_stride;
  T* y = args.y + row * args.y_stride;
  for (int i = static_cast<int>(threadIdx.x) * 8; i < args.columns; i += kAddThreads * 8) {
    Eight<T> sum = load_eight(x, i, args.columns);
    if (args.residual != nullptr) {
      const Eight<T> r = load_eight(residual, i, args.columns);
      for (int j = 0; j < 8; ++j) sum.v[j] = from_float<T>(to_float(sum.v[j]) + to_float(r.v[j]));
      store_eight(residual, i, args.columns, sum);
    }
    store_eight(y, i, args.columns, sum);
  }
}

constexpr int kMaxColumns = 65536;

template <class T>
void launch_norm(const StreamRef& stream, Rows y, Rows residual, Rows x, const float* w,
                 float eps) {
  const NormArgs<T> args{static_cast<T*>(y.data),
                         static_cast<T*>(residual.data),
                         static_cast<const T*>(x.data),
                         y.stride,
                         residual.stride,
                         x.stride,
                         w,
                         eps,
                         x.columns};
  const auto run = [&](auto kernel, int threads) {
    launch(stream, {.grid = dim3(x.rows), .threads = threads}, kernel, args);
  };
  if (w == nullptr)
    run(add_kernel<T>, kAddThreads);
  else if (x.columns <= 32 * 8)
    run(norm_kernel<T, 32, 1>, 32);
  else if (x.columns <= 256 * 8)
    run(norm_kernel<T, 256, 1>, 256);
  else if (x.columns <= 256 * 16)
    run(norm_kernel<T, 256, 2>, 256);
  else if (x.columns <= 1024 * 16)
    run(norm_kernel<T, 1024, 2>, 1024);
  else if (x.columns <= kMaxColumns)
    run(norm_kernel<T, 1024, 8>, 1024);
  else
    throw std::runtime_error("RMSNorm of " + std::to_string(x.columns) +
                             " columns; there are kernels for at most " +
                             std::to_string(kMaxColumns));
}

void normalise(const StreamRef& stream, DType dtype, Rows y, Rows residual, Rows x, const float* w,
               float eps) {
  if (x.rows == 0) return;
  if (dtype == DType::kF16)
    launch_norm<__half>(stream, y, residual, x, w, eps);
  else
    launch_norm<__nv_bfloat16>(stream, y, residual, x, w, eps);
}

}  // namespace

void rms_norm(const StreamRef& stream, DType dtype, Rows y, Rows x, const float* w, float eps) {
  normalise(stream, dtype, y, {}, x, w, eps);
}

void add_rms_norm(const StreamRef& stream, DType dtype, Rows y, Rows residual, Rows x,
                  const float* w, float eps) {
  normalise(stream, dtype, y, residual, x, w, eps);
}

}  // namespace ember::kernels
