// SPDX-License-Identifier: Apache-2.0
// The functions of kernels/common/wgmma.cuh on the emulated machine: products execute when a wait
// forces them, or earlier, as the seed decides, in the order in which their warpgroup issued them.
#pragma once

#include <array>

#include "ptx.h"

namespace ember::kernels {

namespace detail {

struct WgmmaThread {
  float* d;
  const uint32_t* a;  // null: from shared memory
  uint64_t a_descriptor, b_descriptor;
  int keep;
};

inline emu::ProductQueue& products() {
  return emu::current->cta->products[static_cast<size_t>(emu::current->warpgroup())];
}

inline void execute(emu::ProductQueue::Group& group) {
  for (auto& product : group) {
    if (product) product();
    product = nullptr;
  }
}

// Element (mn, k) of an operand; transposed: rows of mn, else rows of k.
template <class T>
float operand(const char* shared, uint64_t descriptor, int mn, int k, bool transposed) {
  const auto field = [descriptor](int shift) {
    return static_cast<uint32_t>((descriptor >> shift) & 0x3FFF) << 4;
  };
  const uint32_t leading = emu::options().fault == emu::Fault::kWrongLeading ? 16 : field(16),
                 stride = field(32);
  const int swizzle = static_cast<int>(descriptor >> 62);
  const int columns = swizzle == 1 ? 64 : 32;
  const uint32_t row_bytes = static_cast<uint32_t>(columns) * 2;
  const auto u = [](int v) { return static_cast<uint32_t>(v); };
  uint32_t offset = transposed ? u(mn / columns) * leading + u(mn % columns) * 2 +
                                     u(k % 8) * row_bytes + u(k / 8) * stride
                               : u(mn / 8) * stride + u(mn % 8) * row_bytes + u(k) * 2;
  offset += field(0);
  offset ^= swizzle == 1 ? ((offset >> 7) & 7) << 4 : ((offset >> 7) & 3) << 4;
  T v;
  std::memcpy(&v, shared + offset, 2);
  if constexpr (is_half<T>)
    return __half2float(v);
  else
    return __bfloat162float(v);
}

template <class T, int N>
void multiply(const char* shared, const std::array<WgmmaThread, 128>& threads, bool transposed) {
  static float a[64][16], b[N][16];
  for (int n = 0; n < N; ++n) {
    for (int k = 0; k < 16; ++k)
      b[n][k] = operand<T>(shared, threads[0].b_descriptor, n, k, transposed);
  }
  if (threads[0].a == nullptr) {
    for (int m = 0; m < 64; ++m) {
      for (int k = 0; k < 16; ++k)
        a[m][k] = operand<T>(shared, threads[0].a_descriptor, m, k, false);
    }
  } else {
    for (int t = 0; t < 128; ++t) {
      const uint32_t* from = threads[static_cast<size_t>(t)].a;
      const int row = t / 32 * 16 + t % 32 / 4;
      for (int i = 0; i < 4; ++i) {
        for (int e = 0; e < 2; ++e)
          a[row + (i & 1) * 8][(t % 4) * 2 + e + (i >> 1) * 8] = element<T>(from[i], e);
      }
    }
  }
  for (int t = 0; t < 128; ++t) {
    const WgmmaThread& thread = threads[static_cast<size_t>(t)];
    for (int i = 0; i < N / 2; ++i) {
      const int row = t / 32 * 16 + t % 32 / 4 + ((i >> 1) & 1) * 8,
                column = (i >> 2) * 8 + (t % 4) * 2 + (i & 1);
      float sum = thread.keep ? thread.d[i] : 0;
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[column][k];
      thread.d[i] = sum;
    }
  }
}

template <class T, int N>
void issue(float* d, const uint32_t* a, uint64_t a_descriptor, uint64_t b_descriptor, int keep,
           bool transposed) {
  WgmmaThread mine{d, a, a_descriptor, b_descriptor, keep};
  const char* shared = emu::shared_memory + emu::current->rank * emu::kCtaShared;
  emu::meet_warpgroup(&mine, "wgmma", [=](void** all) {
    std::array<WgmmaThread, 128> threads;
    for (size_t t = 0; t < 128; ++t) threads[t] = *static_cast<WgmmaThread*>(all[t]);
    const uint64_t swizzle = b_descriptor >> 62;
    if ((swizzle != 1 && swizzle != 2) ||
        (a == nullptr && a_descriptor >> 62 != 1 && a_descriptor >> 62 != 2))
      emu::fail("wgmma: swizzle mode of a descriptor");
    auto& queue = products();
    queue.open.push_back([=] { multiply<T, N>(shared, threads, transposed); });
    if (emu::random_below(2) == 0) {
      for (auto& group : queue.committed) execute(group);
      execute(queue.open);
    }
  });
}

}  // namespace detail

inline void wgmma_fence() {}
inline void wgmma_commit() {
  emu::meet_warpgroup(nullptr, "wgmma.commit_group", [](void**) {
    auto& queue = detail::products();
    queue.committed.push_back(std::move(queue.open));
    queue.open.clear();
  });
}
template <int kPending>
void wgmma_wait() {
  emu::meet_warpgroup(nullptr, "wgmma.wait_group", [](void**) {
    auto& queue = detail::products();
    if (emu::options().fault == emu::Fault::kSkipWgmmaWait && queue.committed.size() < 3)
      return;  // forced when the queue is full
    while (static_cast<int>(queue.committed.size()) > kPending) {
      detail::execute(queue.committed.front());
      queue.committed.pop_front();
    }
  });
}

template <int kColumns>
uint64_t wgmma_descriptor(uint32_t address, uint32_t leading = 16,
                          uint32_t stride = 8 * kColumns * 2) {
  const uint64_t swizzle = kColumns == 64 ? 1 : 2;
  return static_cast<uint64_t>((address & 0x3FFFF) >> 4) |
         static_cast<uint64_t>(leading >> 4) << 16 | static_cast<uint64_t>(stride >> 4) << 32 |
         swizzle << 62;
}

template <class T, int N>
void wgmma_ss(float* d, uint64_t a, uint64_t b, int keep) {
  detail::issue<T, N>(d, nullptr, a, b, keep, false);
}
template <class T, int N>
void wgmma_rs_transposed(float* d, const uint32_t* a, uint64_t b, int keep) {
  detail::issue<T, N>(d, a, 0, b, keep, true);
}

}  // namespace ember::kernels
