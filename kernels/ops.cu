// SPDX-License-Identifier: Apache-2.0
// Embedding, activation and copies.
#include "ember/base/integers.h"
#include "kernels/ops.h"
#include "kernels/vector.cuh"

namespace ember::kernels {

namespace {

constexpr int kThreads = 256;

template <class T>
struct CopyArgs {
  T* y;
  const T* x;
  int64_t y_stride, x_stride;
  int rows, columns;
  const int32_t* ids;
  const int32_t* previous;
  int limit;     // embed: ids are below it
  bool aligned;  // rows of x begin at multiples of 16 bytes
};

template <class T>
EMBER_DEVICE void copy_row(const CopyArgs<T>& args, T* y, const T* x) {
  for (int i = static_cast<int>(threadIdx.x) * 8; i < args.columns; i += kThreads * 8) {
    Eight<T> e{};
    if (x != nullptr && args.aligned) {
      e = load_eight(x, i, args.columns);
    } else if (x != nullptr) {
      for (int j = 0; j < 8; ++j)
        if (i + j < args.columns) e.v[j] = x[i + j];
    }
    store_eight(y, i, args.columns, e);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) embed_kernel(const __grid_constant__ CopyArgs<T> args) {
  launch_dependents();
  wait_for_dependencies();
  const int t = static_cast<int>(blockIdx.x);
  int id = args.ids[t];
  if (id < 0) id = args.previous[-1 - id];
  copy_row(args, args.y + t * args.y_stride,
           id >= 0 && id < args.limit ? args.x + id * args.x_stride : nullptr);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const __grid_constant__ CopyArgs<T> args) {
  launch_dependents();
  wait_for_dependencies();
  const int t = static_cast<int>(blockIdx.x), row = args.ids[t];
  if (row >= 0) copy_row(args, args.y + t * args.y_stride, args.x + row * args.x_stride);
}

template <class T>
void launch_embed(const StreamRef& stream, Rows y, const void* table, int64_t table_stride,
                  int vocab, const int32_t* ids, const int32_t* previous) {
  const CopyArgs<T> args{static_cast<T*>(y.data),
                         static_cast<const T*>(table),
                         y.stride,
                         table_stride,
                         y.rows,
                         y.columns,
                         ids,
                         previous,
                         vocab,
                         reinterpret_cast<uintptr_t>(table) % 16 == 0 && table_stride % 8 == 0};
  launch(stream, {.grid = dim3(y.rows), .threads = kThreads}, embed_kernel<T>, args);
}

template <class T>
struct ActivationArgs {
  T* y;
  const T* gate_up;
  int64_t y_stride, gate_up_stride;
  int columns;
};

EMBER_DEVICE float silu(float v) { return v / (1.0f + __expf(-v)); }

template <class T>
__global__ void __launch_bounds__(kThreads)
    silu_kernel(const __grid_constant__ ActivationArgs<T> args) {
  launch_dependents();
  wait_for_dependencies();
  const int n = args.columns,
            i = (static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x)) * 8;
  if (i >= n) return;
  const T* row = args.gate_up + blockIdx.x * args.gate_up_stride;
  const Eight<T> g = load_eight(row, 2 * i, 2 * n), u = load_eight(row, 2 * i + 8, 2 * n);
  Eight<T> out;
  for (int j = 0; j < 8; ++j) out.v[j] = from_float<T>(silu(to_float(g.v[j])) * to_float(u.v[j]));
  store_eight(args.y + blockIdx.x * args.y_stride, i, n, out);
}

template <class T>
void launch_silu(const StreamRef& stream, Rows y, const void* gate_up, int64_t gate_up_stride) {
  const ActivationArgs<T> args{static_cast<T*>(y.data), static_cast<const T*>(gate_up), y.stride,
                               gate_up_stride, y.columns};
  const int chunks = ceil_div(y.columns, kThreads * 8);
  launch(stream, {.grid = dim3(y.rows, chunks), .threads = kThreads}, silu_kernel<T>, args);
}

}  // namespace

void embed(const StreamRef& stream, DType dtype, Rows y, const void* table, int64_t table_stride,
           int vocab, const int32_t* ids, const int32_t* previous) {
  if (y.rows == 0) return;
  if (dtype == DType::kF16)
    launch_embed<__half>(stream, y, table, table_stride, vocab, ids, previous);
  else
    launch_embed<__nv_bfloat16>(stream, y, table, table_stride, vocab, ids, previous);
}

void silu_mul(const StreamRef& stream, DType dtype, Rows y, const void* gate_up,
              int64_t gate_up_stride) {
  if (y.rows == 0) return;
  if (dtype == DType::kF16)
    launch_silu<__half>(stream, y, gate_up, gate_up_stride);
  else
    launch_silu<__nv_bfloat16>(stream, y, gate_up, gate_up_stride);
}

void gather_rows(const StreamRef& stream, Rows y, Rows x, const int32_t* rows) {
  if (y.rows == 0) return;
  const CopyArgs<__half> args{static_cast<__half*>(y.data),
                              static_cast<const __half*>(x.data),
                              y.stride,
                              x.stride,
                              y.rows,
                              y.columns,
                              rows,
                              nullptr,
                              0,
                              true};
  launch(stream, {.grid = dim3(y.rows), .threads = kThreads}, gather_kernel<__half>, args);
}

}  // namespace ember::kernels
