// SPDX-License-Identifier: Apache-2.0
// Embedding, activation and copies.
#include "ember/base/integers.h"
#include "kernels/gate.cuh"
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
  float scale;   // 1: bits are copied
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
    for (int j = 0; args.scale != 1.0f && j < 8; ++j)
      e.v[j] = from_float<T>(to_float(e.v[j]) * args.scale);
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
                  int vocab, const int32_t* ids, const int32_t* previous, float scale) {
  const CopyArgs<T> args{static_cast<T*>(y.data),
                         static_cast<const T*>(table),
                         y.stride,
                         table_stride,
                         y.rows,
                         y.columns,
                         ids,
                         previous,
                         vocab,
                         reinterpret_cast<uintptr_t>(table) % 16 == 0 && table_stride % 8 == 0,
                         scale};
  launch(stream, {.grid = dim3(y.rows), .threads = kThreads}, embed_kernel<T>, args);
}

template <class T>
struct ActivationArgs {
  T* y;
  const T* gate_up;
  int64_t y_stride, gate_up_stride;
  int columns;
};

template <class T, bool kGelu>
__global__ void __launch_bounds__(kThreads)
    gate_kernel(const __grid_constant__ ActivationArgs<T> args) {
  launch_dependents();
  wait_for_dependencies();
  const int n = args.columns,
            i = (static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x)) * 8;
  if (i >= n) return;
  const T* row = args.gate_up + blockIdx.x * args.gate_up_stride;
  const Eight<T> g = load_eight(row, 2 * i, 2 * n), u = load_eight(row, 2 * i + 8, 2 * n);
  Eight<T> out;
  for (int j = 0; j < 8; ++j) {
    const float gate = to_float(g.v[j]);
    out.v[j] = from_float<T>((kGelu ? gelu_tanh(gate) : silu(gate)) * to_float(u.v[j]));
  }
  store_eight(args.y + blockIdx.x * args.y_stride, i, n, out);
}

template <class T, bool kGelu>
void launch_gate(const StreamRef& stream, Rows y, const void* gate_up, int64_t gate_up_stride) {
  const ActivationArgs<T> args{static_cast<T*>(y.data), static_cast<const T*>(gate_up), y.stride,
                               gate_up_stride, y.columns};
  const int chunks = ceil_div(y.columns, kThreads * 8);
  launch(stream, {.grid = dim3(y.rows, chunks), .threads = kThreads}, gate_kernel<T, kGelu>, args);
}

template <bool kGelu>
void gate_mul(const StreamRef& stream, DType dtype, Rows y, const void* gate_up,
              int64_t gate_up_stride) {
  if (y.rows == 0) return;
  if (dtype == DType::kF16)
    launch_gate<__half, kGelu>(stream, y, gate_up, gate_up_stride);
  else
    launch_gate<__nv_bfloat16, kGelu>(stream, y, gate_up, gate_up_stride);
}

struct SoftcapArgs {
  float* x;
  int64_t stride;
  int columns;
  float cap;
};

constexpr int kCapsOfThread = 8;

__global__ void __launch_bounds__(kThreads)
    softcap_kernel(const __grid_constant__ SoftcapArgs args) {
  launch_dependents();
  wait_for_dependencies();
  float* row = args.x + blockIdx.x * args.stride;
  const int first = static_cast<int>(blockIdx.y) * kThreads * kCapsOfThread;
  for (int j = 0; j < kCapsOfThread; ++j) {
    const int i = first + j * kThreads + static_cast<int>(threadIdx.x);
    if (i < args.columns) row[i] = args.cap * tanhf(row[i] / args.cap);
  }
}

}  // namespace

void embed(const StreamRef& stream, DType dtype, Rows y, const void* table, int64_t table_stride,
           int vocab, const int32_t* ids, const int32_t* previous, float scale) {
  if (y.rows == 0) return;
  if (dtype == DType::kF16)
    launch_embed<__half>(stream, y, table, table_stride, vocab, ids, previous, scale);
  else
    launch_embed<__nv_bfloat16>(stream, y, table, table_stride, vocab, ids, previous, scale);
}

void silu_mul(const StreamRef& stream, DType dtype, Rows y, const void* gate_up,
              int64_t gate_up_stride) {
  gate_mul<false>(stream, dtype, y, gate_up, gate_up_stride);
}

void gelu_mul(const StreamRef& stream, DType dtype, Rows y, const void* gate_up,
              int64_t gate_up_stride) {
  gate_mul<true>(stream, dtype, y, gate_up, gate_up_stride);
}

void softcap(const StreamRef& stream, float* x, int64_t stride, int rows, int columns, float cap) {
  if (rows == 0) return;
  const int chunks = ceil_div(columns, kThreads * kCapsOfThread);
  launch(stream, {.grid = dim3(rows, chunks), .threads = kThreads}, softcap_kernel,
         SoftcapArgs{x, stride, columns, cap});
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
                              true,
                              1};
  launch(stream, {.grid = dim3(y.rows), .threads = kThreads}, gather_kernel<__half>, args);
}

}  // namespace ember::kernels
