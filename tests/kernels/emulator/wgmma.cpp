// SPDX-License-Identifier: Apache-2.0
#include "wgmma.h"

#include <array>
#include <cstring>

#include "halves.h"

namespace ember::kernels {

namespace {

using Threads = std::array<WgmmaProduct, 128>;

emu::ProductQueue& queue() {
  return emu::current->cta->products[static_cast<size_t>(emu::current->warpgroup())];
}

void execute(emu::ProductQueue::Group& group) {
  for (auto& product : group) {
    if (product) product();
    product = nullptr;
  }
}

uint32_t field(uint64_t descriptor, int shift) {
  return static_cast<uint32_t>((descriptor >> shift) & 0x3FFF) << 4;
}

// Where element (mn, k) of an operand lies in the CTA's shared memory; transposed: rows of mn, else
// rows of k.
uint32_t offset_of(uint64_t descriptor, int mn, int k, bool transposed) {
  const uint32_t leading =
                     emu::options().fault == emu::Fault::kWrongLeading ? 16 : field(descriptor, 16),
                 stride = field(descriptor, 32);
  const int swizzle = static_cast<int>(descriptor >> 62);
  const int columns = swizzle == 1 ? 64 : 32;
  const uint32_t row_bytes = static_cast<uint32_t>(columns) * 2;
  const auto u = [](int v) { return static_cast<uint32_t>(v); };
  uint32_t offset = transposed ? u(mn / columns) * leading + u(mn % columns) * 2 +
                                     u(k % 8) * row_bytes + u(k / 8) * stride
                               : u(mn / 8) * stride + u(mn % 8) * row_bytes + u(k) * 2;
  offset += field(descriptor, 0);
  return offset ^ (swizzle == 1 ? ((offset >> 7) & 7) << 4 : ((offset >> 7) & 3) << 4);
}

// store(mn, k, v) for the elements of `rows` rows of an operand, which lie 16 bytes side by side.
template <class Store>
void load_operand(const char* shared, uint64_t descriptor, int rows, bool transposed, bool half,
                  Store store) {
  const int row_step = transposed ? 8 : 1, k_step = transposed ? 1 : 8;
  for (int mn = 0; mn < rows; mn += row_step) {
    for (int k = 0; k < 16; k += k_step) {
      uint16_t bits[8];
      std::memcpy(bits, shared + offset_of(descriptor, mn, k, transposed), 16);
      for (int i = 0; i < 8; ++i)
        store(transposed ? mn + i : mn, transposed ? k : k + i, emu::float_of(bits[i], half));
    }
  }
}

void multiply(const char* shared, const Threads& threads) {
  static float a[64][16], b[16][256], sums[256];
  const WgmmaProduct& first = threads[0];
  load_operand(shared, first.b_descriptor, first.n, first.transposed, first.half,
               [](int n, int k, float v) { b[k][n] = v; });
  if (first.a == nullptr) {
    load_operand(shared, first.a_descriptor, 64, false, first.half,
                 [](int m, int k, float v) { a[m][k] = v; });
  } else {
    for (int t = 0; t < 128; ++t) {
      const uint32_t* from = threads[static_cast<size_t>(t)].a;
      const int row = t / 32 * 16 + t % 32 / 4;
      for (int i = 0; i < 4; ++i) {
        for (int e = 0; e < 2; ++e)
          a[row + (i & 1) * 8][(t % 4) * 2 + e + (i >> 1) * 8] =
              emu::float_of_pair(from[i], e, first.half);
      }
    }
  }
  for (int row = 0; row < 64; ++row) {
    // Four threads hold it, two neighbours of every eight columns each.
    const WgmmaProduct* const holders = &threads[static_cast<size_t>(row / 16 * 32 + row % 8 * 4)];
    const int at = row / 8 % 2 * 2;
    for (int n = 0; n < first.n; ++n)
      sums[n] = first.keep ? holders[n / 2 % 4].d[n / 8 * 4 + at + n % 2] : 0;
    for (int k = 0; k < 16; ++k)
      for (int n = 0; n < first.n; ++n) sums[n] += a[row][k] * b[k][n];
    for (int n = 0; n < first.n; ++n) holders[n / 2 % 4].d[n / 8 * 4 + at + n % 2] = sums[n];
  }
}

// A warp reads its own 16 rows of a, and all of b: 16 bytes at a time.
void note_reads(const WgmmaProduct& product, emu::Thread& thread, emu::Stamp completion) {
  const auto base = static_cast<uint32_t>(thread.rank) * emu::kCtaShared;
  const auto read = [&](uint64_t descriptor, int mn, int k, bool transposed) {
    emu::product_reads(base + offset_of(descriptor, mn, k, transposed), 16, thread, completion);
  };
  const int row = thread.warp() % 4 * 16;
  for (int m = row; product.a == nullptr && m < row + 16; ++m)
    for (int k = 0; k < 16; k += 8) read(product.a_descriptor, m, k, false);
  for (int n = 0; n < product.n; n += product.transposed ? 8 : 1)
    for (int k = 0; k < 16; k += product.transposed ? 1 : 8)
      read(product.b_descriptor, n, k, product.transposed);
}

void note_registers(const WgmmaProduct& product, emu::Thread& thread, uint32_t group) {
  const auto use = [&](const void* registers, size_t bytes) {
    const auto at = reinterpret_cast<uintptr_t>(registers) - thread.fiber.stack();
    if (at >= emu::Fiber::kStackBytes) emu::fail("wgmma: registers that are not the thread's own");
    if (const char* why = thread.registers.use(at, bytes, group)) emu::fail(why);
  };
  use(product.d, static_cast<size_t>(product.n) * 2);
  if (product.a != nullptr) use(product.a, 16);
}

struct Issue {
  const WgmmaProduct* product;
  emu::Thread* thread;
};

}  // namespace

void wgmma_issue(const WgmmaProduct& product) {
  Issue mine{&product, emu::current};
  const char* shared = emu::shared_memory + emu::current->rank * emu::kCtaShared;
  emu::meet_warpgroup(&mine, "wgmma", [=](void** all) {
    Threads threads;
    for (size_t t = 0; t < 128; ++t) threads[t] = *static_cast<Issue*>(all[t])->product;
    const uint64_t a = threads[0].a_descriptor >> 62, b = threads[0].b_descriptor >> 62;
    if ((b != 1 && b != 2) || (threads[0].a == nullptr && a != 1 && a != 2))
      emu::fail("wgmma: swizzle mode of a descriptor");
    const uint32_t group = queue().groups + 1;
    for (size_t t = 0; emu::options().ordered && t < 128; ++t) {
      emu::Thread& thread = *static_cast<Issue*>(all[t])->thread;
      note_registers(threads[t], thread, group);
      if (t % 32 == 0) note_reads(threads[t], thread, {emu::product_agent(thread), group});
    }
    queue().open.push_back([=] { multiply(shared, threads); });
    if (emu::random_below(2) == 0) {
      for (auto& committed : queue().committed) execute(committed);
      execute(queue().open);
    }
  });
}

void wgmma_fence(emu::Where where) {
  if (emu::options().ordered && !emu::left_out("wgmma_fence", where))
    emu::current->registers.fence();
}

void wgmma_commit() {
  emu::meet_warpgroup(nullptr, "wgmma.commit_group", [](void**) {
    queue().committed.push_back(std::move(queue().open));
    queue().open.clear();
    ++queue().groups;
  });
}

void wgmma_wait_pending(int pending, emu::Where where) {
  if (emu::left_out("wgmma_wait", where)) return;
  emu::meet_warpgroup(emu::current, "wgmma.wait_group", [=](void** all) {
    while (static_cast<int>(queue().committed.size()) > pending) {
      execute(queue().committed.front());
      queue().committed.pop_front();
    }
    const uint32_t complete = queue().groups - static_cast<uint32_t>(queue().committed.size());
    for (size_t warp = 0; emu::options().ordered && warp < 4; ++warp) {
      auto* const first = static_cast<emu::Thread*>(all[warp * 32]);
      const emu::Clocks known = emu::with(nullptr, {emu::product_agent(*first), complete});
      for (size_t lane = 0; lane < 32; ++lane) {
        auto& thread = *static_cast<emu::Thread*>(all[warp * 32 + lane]);
        thread.knows.seen = emu::join(thread.knows.seen, known);
        thread.registers.complete(complete);
      }
    }
  });
}

}  // namespace ember::kernels
