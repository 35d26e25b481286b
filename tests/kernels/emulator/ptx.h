// SPDX-License-Identifier: Apache-2.0
// The functions of kernels/common/ptx.cuh on the emulated machine.
#pragma once

#include <type_traits>

#include "cuda_language.h"
#include "tensor.h"

namespace ember::kernels {

template <class T>
inline constexpr bool is_half = std::is_same_v<T, __half>;

inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(static_cast<const char*>(p) - emu::shared_memory);
}

inline void wait_for_dependencies() {
  if (emu::options().fault != emu::Fault::kSkipDependencyWait)
    emu::current->dependencies_resolved = true;
}
inline void launch_dependents() {}

inline void mbarrier_init(uint32_t barrier, int arrivals) {
  if (barrier % 8 != 0) emu::fail("mbarrier alignment");
  emu::current->cta->mbarriers[barrier] = {arrivals, arrivals, 0, 0};
}
inline void fence_barrier_init() {}
inline void mbarrier_arrive(uint32_t barrier) {
  if (emu::options().fault != emu::Fault::kSkipRelease) emu::arrive(barrier);
}
inline void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes) {
  emu::mbarrier(barrier).bytes += bytes;
  emu::arrive(barrier);
}
inline void mbarrier_wait(uint32_t barrier, int parity) {
  if (emu::options().fault == emu::Fault::kSkipMbarrierWait) return;
  const emu::Mbarrier& m = emu::mbarrier(barrier);
  while (static_cast<int>(m.generation & 1) == parity)
    emu::wait_change(m.generation, m.generation, "mbarrier");
}

inline void cp_async_16(uint32_t to, const void* from, bool valid = true) {
  if (to % 16 != 0 || (valid && reinterpret_cast<uintptr_t>(from) % 16 != 0))
    emu::fail("cp.async alignment");
  emu::current->open_copies.copies.push_back([=] {
    if (valid)
      std::memcpy(emu::at(to), from, 16);
    else
      std::memset(emu::at(to), 0, 16);
  });
}
inline void cp_async_commit() {
  auto* self = emu::current;
  self->copies.push_back(std::move(self->open_copies));
  self->open_copies.copies.clear();
  if (emu::random_below(4) == 0) self->copies.back().finish();  // some land at once
}
template <int kPending>
void cp_async_wait() {
  if (emu::options().fault == emu::Fault::kSkipCpAsyncWait) return;
  auto& groups = emu::current->copies;
  while (static_cast<int>(groups.size()) > kPending) {
    groups.front().finish();
    groups.pop_front();
  }
}
inline void cp_async_mbarrier_arrive(uint32_t barrier) {
  auto& copies = emu::current->open_copies.copies;
  emu::later([barrier, copies] {
    for (const auto& copy : copies) copy();
    emu::arrive(barrier);
  });
  copies.clear();
}

inline void fence_proxy_async() {
  if (emu::options().fault != emu::Fault::kSkipProxyFence && emu::current->dependencies_resolved)
    emu::current->proxy_fenced = true;
}
inline uint64_t policy_evict_normal() { return 0; }

inline void bulk_load(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier, uint64_t) {
  if (to % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0 || bytes % 16 != 0)
    emu::fail("bulk copy alignment");
  emu::check_async_read(from, bytes);
  emu::later([=] {
    std::memcpy(emu::at(to), from, bytes);
    emu::complete_bytes(barrier, bytes);
  });
}

inline void tma_load_3d(uint32_t to, const CUtensorMap* opaque, int x, int y, int z,
                        uint32_t barrier, uint64_t) {
  const emu::TensorMap map = emu::decode(opaque);
  const bool wide = map.box[0] == 64, swizzled = emu::options().fault != emu::Fault::kWrongSwizzle;
  const bool zero_fill = emu::options().fault != emu::Fault::kNoZeroFill;
  if (to % (wide ? 1024 : 512) != 0) emu::fail("TMA alignment");
  const auto address = [=](int64_t column, int64_t row, int64_t plane) {
    return map.data + column * 2 + row * map.strides[0] + plane * map.strides[1];
  };
  if (x < map.dims[0] && y < map.dims[1] && z < map.dims[2])
    emu::check_async_read(address(x, y, z), 16);
  emu::later([=] {
    char* out = emu::at(to);
    const int columns = map.box[0], rows = map.box[1] * map.box[2];
    for (int r = 0; r < rows; ++r) {
      const int64_t row = y + r % map.box[1], plane = z + r / map.box[1];
      const bool inside = row >= 0 && row < map.dims[1] && plane >= 0 && plane < map.dims[2];
      const int flip = !swizzled ? 0 : wide ? r & 7 : (r >> 1) & 3;
      for (int c = 0; c < columns; ++c) {
        const bool valid = inside && x + c >= 0 && x + c < map.dims[0];
        char* element = out + r * columns * 2 + (((c >> 3) ^ flip) << 4) + (c & 7) * 2;
        if (valid)
          std::memcpy(element, address(x + c, row, plane), 2);
        else
          std::memset(element, zero_fill ? 0 : 0x7f, 2);
      }
    }
    emu::complete_bytes(barrier, int64_t{2} * columns * rows);
  });
}
inline void tma_load_2d(uint32_t to, const CUtensorMap* map, int x, int y, uint32_t barrier,
                        uint64_t policy) {
  tma_load_3d(to, map, x, y, 0, barrier, policy);
}
inline void prefetch_tensor_map(const CUtensorMap*) {}

inline void named_barrier_sync(int id, int threads) { emu::barrier_sync(id, threads, true); }
inline void named_barrier_arrive(int id, int threads) { emu::barrier_sync(id, threads, false); }
template <int kRegisters>
void registers_increase() {}
template <int kRegisters>
void registers_decrease() {}
inline int warp_uniform(int v) { return __shfl_sync(~0u, v, 0); }

inline void cluster_arrive() { emu::cluster_arrive(); }
inline void cluster_wait() { emu::cluster_wait(); }
inline void cluster_sync() {
  cluster_arrive();
  cluster_wait();
}
template <class T>
T* peer_shared(T* mine, int rank) {
  emu::check_peer(rank);
  const uint32_t address = shared_address(mine) % emu::kCtaShared;
  return reinterpret_cast<T*>(emu::at(address + static_cast<uint32_t>(rank) * emu::kCtaShared));
}
inline float4 load_peer_float4(uint32_t address, int rank) {
  emu::check_peer(rank);
  float4 v;
  std::memcpy(
      &v, emu::at(address % emu::kCtaShared + static_cast<uint32_t>(rank) * emu::kCtaShared), 16);
  return v;
}

namespace detail {

struct MatrixLoad {
  uint32_t address;
  uint32_t* to;
};

inline void ldmatrix(uint32_t address, uint32_t* to, bool transposed) {
  if (address % 16 != 0) emu::fail("ldmatrix alignment");
  MatrixLoad load{address, to};
  emu::meet_warp(&load, "ldmatrix", [=](void** lanes) {
    for (int i = 0; i < 4; ++i) {
      uint16_t matrix[8][8];
      for (int row = 0; row < 8; ++row)
        std::memcpy(matrix[row], emu::at(static_cast<MatrixLoad*>(lanes[i * 8 + row])->address),
                    16);
      for (int l = 0; l < 32; ++l) {
        const int a = l / 4, b = 2 * (l % 4);
        const uint16_t pair[2] = {transposed ? matrix[b][a] : matrix[a][b],
                                  transposed ? matrix[b + 1][a] : matrix[a][b + 1]};
        std::memcpy(&static_cast<MatrixLoad*>(lanes[l])->to[i], pair, 4);
      }
    }
  });
}

template <class T>
float element(uint32_t pair, int which) {
  T v;
  std::memcpy(&v, reinterpret_cast<const char*>(&pair) + 2 * which, 2);
  if constexpr (is_half<T>)
    return __half2float(v);
  else
    return __bfloat162float(v);
}

struct Product {
  float* c;
  const uint32_t* a;
  uint32_t b[2];
};

}  // namespace detail

inline void ldmatrix_x4(uint32_t address, uint32_t* r) { detail::ldmatrix(address, r, false); }
inline void ldmatrix_x4_trans(uint32_t address, uint32_t* r) { detail::ldmatrix(address, r, true); }

inline uint32_t movmatrix_trans(uint32_t v) {
  uint32_t both[2] = {v, 0};
  emu::meet_warp(both, "movmatrix", [](void** lanes) {
    uint16_t matrix[8][8];
    for (int l = 0; l < 32; ++l) std::memcpy(&matrix[l / 4][2 * (l % 4)], lanes[l], 4);
    for (int l = 0; l < 32; ++l) {
      const uint16_t pair[2] = {matrix[2 * (l % 4)][l / 4], matrix[2 * (l % 4) + 1][l / 4]};
      std::memcpy(static_cast<uint32_t*>(lanes[l]) + 1, pair, 4);
    }
  });
  return both[1];
}

template <class T>
void mma_16x8x16(float* c, const uint32_t* a, uint32_t b0, uint32_t b1) {
  detail::Product product{c, a, {b0, b1}};
  emu::meet_warp(&product, "mma", [](void** lanes) {
    float left[16][16], right[8][16];
    for (int l = 0; l < 32; ++l) {
      const auto* p = static_cast<detail::Product*>(lanes[l]);
      for (int e = 0; e < 2; ++e) {
        const int k = (l % 4) * 2 + e, r = l / 4;
        left[r][k] = detail::element<T>(p->a[0], e);
        left[r + 8][k] = detail::element<T>(p->a[1], e);
        left[r][k + 8] = detail::element<T>(p->a[2], e);
        left[r + 8][k + 8] = detail::element<T>(p->a[3], e);
        right[r][k] = detail::element<T>(p->b[0], e);
        right[r][k + 8] = detail::element<T>(p->b[1], e);
      }
    }
    for (int l = 0; l < 32; ++l) {
      float* out = static_cast<detail::Product*>(lanes[l])->c;
      for (int e = 0; e < 4; ++e) {
        const int row = l / 4 + (e >> 1) * 8, column = (l % 4) * 2 + (e & 1);
        float sum = 0;
        for (int k = 0; k < 16; ++k) sum += left[row][k] * right[column][k];
        out[e] += sum;
      }
    }
  });
}

inline float exp2_approx(float v) { return exp2f(v); }

}  // namespace ember::kernels
