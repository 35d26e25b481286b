// SPDX-License-Identifier: Apache-2.0
#include "ptx.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

namespace ember::kernels {

using emu::Access;
using emu::current;
using emu::left_out;
using emu::options;

uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(static_cast<const char*>(p) - emu::shared_memory);
}

void wait_for_dependencies(emu::Where where) {
  if (left_out("wait_for_dependencies", where)) return;
  current->cta->resolved = true;
  emu::know_earlier_grids(*current);
}
void launch_dependents() { emu::triggered(); }

// --- mbarriers

void mbarrier_init(uint32_t barrier, int arrivals) { emu::make_mbarrier(barrier, arrivals); }
void fence_barrier_init(emu::Where where) {
  if (left_out("fence_barrier_init", where)) return;
  for (const uint32_t barrier : current->unfenced_barriers) emu::mbarrier(barrier).fenced = true;
  current->unfenced_barriers.clear();
}
void mbarrier_arrive(uint32_t barrier, emu::Where where) {
  if (!left_out("mbarrier_arrive", where)) emu::arrive(barrier);
}
void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes, emu::Where where) {
  if (left_out("mbarrier_arrive_expect", where)) return;
  emu::mbarrier(barrier).bytes += bytes;
  emu::arrive(barrier);
}
namespace {

// `cluster`: whether the wait's scope is the cluster, and not the CTA alone.
void wait_for_phase(uint32_t barrier, int parity, bool cluster) {
  const emu::Mbarrier& m = emu::mbarrier(barrier);
  while (static_cast<int>(m.generation & 1) == parity)
    emu::wait_change(m.generation, m.generation, "mbarrier");
  if (m.peers && !cluster)
    emu::fail("mbarrier_wait, where other CTAs arrive: only mbarrier_wait_cluster sees them");
  emu::take(m.knowledge, m.generation - 1);
}

}  // namespace

void mbarrier_wait(uint32_t barrier, int parity, emu::Where where) {
  if (!left_out("mbarrier_wait", where)) wait_for_phase(barrier, parity, false);
}

// --- cp.async

namespace {

void land(emu::ThreadCopy& copy) {
  if (copy.done) return;
  copy.done = true;
  if (copy.from != nullptr)
    std::memcpy(emu::at(copy.to), copy.from, 16);
  else
    std::memset(emu::at(copy.to), 0, 16);
}

}  // namespace

void cp_async_16(uint32_t to, const void* from, bool valid) {
  if (to % 16 != 0 || (valid && reinterpret_cast<uintptr_t>(from) % 16 != 0))
    emu::fail("cp.async alignment");
  if (options().ordered) {
    if (valid) emu::access(from, 16, Access::kRead);
    emu::copying(to, 16);
  }
  current->open_copies.push_back(
      std::make_shared<emu::ThreadCopy>(emu::ThreadCopy{to, valid ? from : nullptr}));
}
void cp_async_commit() {
  current->copies.push_back(std::move(current->open_copies));
  current->open_copies.clear();
  if (emu::random_below(4) == 0)  // some land at once
    for (auto& copy : current->copies.back()) land(*copy);
}
void cp_async_wait_pending(int pending, emu::Where where) {
  if (left_out("cp_async_wait", where)) return;
  auto& groups = current->copies;
  for (; static_cast<int>(groups.size()) > pending; groups.pop_front()) {
    for (auto& copy : groups.front()) {
      land(*copy);
      if (options().ordered && !copy->counted)
        emu::landed(copy->to, 16, {current->id, current->clock});
    }
  }
}
// It tracks all cp.async that the thread has issued, committed or not. Who waits for this phase may
// rely on them; those that an earlier arrival counts are relied on by that one's phase alone.
void cp_async_mbarrier_arrive(uint32_t barrier) {
  emu::CopyGroup copies;
  const auto track = [&](const emu::CopyGroup& group) {
    copies.insert(copies.end(), group.begin(), group.end());
  };
  for (const emu::CopyGroup& group : current->copies) track(group);
  track(current->open_copies);
  for (const auto& copy : copies) {
    if (std::exchange(copy->counted, true)) continue;
    if (options().ordered) emu::landed(copy->to, 16, completion_of(emu::mbarrier(barrier)));
  }
  emu::later([barrier, copies = std::move(copies)] {
    for (const auto& copy : copies) land(*copy);
    emu::arrive(barrier);
  });
}

// --- asynchronous copies through the other proxy

namespace {

emu::Stamp completion_at(uint32_t barrier) {
  const emu::Mbarrier& m = emu::mbarrier(barrier);
  if (!m.fenced) emu::fail("an asynchronous copy uses an mbarrier without fence_barrier_init");
  return completion_of(m);
}

}  // namespace

void fence_proxy_async(emu::Where where) {
  if (!left_out("fence_proxy_async", where)) emu::fence_proxy(*current);
}

void bulk_load(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier, uint64_t) {
  if (to % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0 || bytes % 16 != 0)
    emu::fail("bulk copy alignment");
  if (options().ordered) {
    const emu::Stamp completion = completion_at(barrier);
    emu::copy_reads(from, bytes, completion);
    emu::copy_writes(to, bytes, completion);
  }
  emu::later([=] {
    std::memcpy(emu::at(to), from, bytes);
    emu::complete_bytes(barrier, bytes);
  });
}

void tma_load_3d(uint32_t to, const CUtensorMap* opaque, int x, int y, int z, uint32_t barrier,
                 uint64_t) {
  const emu::TensorMap map = emu::decode(opaque);
  const bool wide = map.box[0] == 64, swizzled = options().fault != emu::Fault::kWrongSwizzle;
  const bool zero_fill = options().fault != emu::Fault::kNoZeroFill;
  if (to % (wide ? 1024 : 512) != 0) emu::fail("TMA alignment");
  const int columns = map.box[0], rows = map.box[1] * map.box[2];
  // The row of the tensor that row r of the box is; null outside.
  const auto row_of = [=](int r) -> const char* {
    const int64_t row = y + r % map.box[1], plane = z + r / map.box[1];
    if (row < 0 || row >= map.dims[1] || plane < 0 || plane >= map.dims[2]) return nullptr;
    return map.data + row * map.strides[0] + plane * map.strides[1];
  };
  const int64_t begin = std::max(0, x), end = std::min<int64_t>(map.dims[0], x + columns);
  if (options().ordered) {
    const emu::Stamp completion = completion_at(barrier);
    for (int r = 0; r < rows && begin < end; ++r)
      if (const char* const row = row_of(r))
        emu::copy_reads(row + begin * 2, static_cast<size_t>(end - begin) * 2, completion);
    emu::copy_writes(to, static_cast<size_t>(columns * rows) * 2, completion);
  }
  emu::later([=] {
    char* out = emu::at(to);
    for (int r = 0; r < rows; ++r) {
      const int flip = !swizzled ? 0 : wide ? r & 7 : (r >> 1) & 3;
      const char* const row = row_of(r);
      for (int c = 0; c < columns; ++c) {
        char* element = out + r * columns * 2 + (((c >> 3) ^ flip) << 4) + (c & 7) * 2;
        if (row != nullptr && x + c >= begin && x + c < end)
          std::memcpy(element, row + (x + c) * int64_t{2}, 2);
        else
          std::memset(element, zero_fill ? 0 : 0x7f, 2);
      }
    }
    emu::complete_bytes(barrier, int64_t{2} * columns * rows);
  });
}

// --- barriers and clusters

void named_barrier_sync(int id, int threads, emu::Where where) {
  if (!left_out("named_barrier_sync", where)) emu::barrier_sync(id, threads, true);
}
void named_barrier_arrive(int id, int threads, emu::Where where) {
  if (!left_out("named_barrier_arrive", where)) emu::barrier_sync(id, threads, false);
}

void cluster_arrive(emu::Where where) {
  if (!left_out("cluster_arrive", where)) emu::cluster_arrive();
}
void cluster_wait(emu::Where where) {
  if (!left_out("cluster_wait", where)) emu::cluster_wait();
}
void cluster_sync(emu::Where where) {
  if (left_out("cluster_sync", where)) return;
  emu::cluster_arrive();
  emu::cluster_wait();
}

namespace {

uint32_t in_peer(uint32_t address, int rank) {
  emu::check_peer(rank);
  return address % emu::kCtaShared + static_cast<uint32_t>(rank) * emu::kCtaShared;
}

}  // namespace

void mbarrier_arrive_peer(uint32_t barrier, int rank, emu::Where where) {
  if (left_out("mbarrier_arrive_peer", where)) return;
  const uint32_t peer = in_peer(barrier, rank);
  if (options().ordered) emu::peer_access(*current, rank);
  emu::mbarrier(peer).peers |= rank != current->rank;
  emu::arrive(peer);
}
void mbarrier_wait_cluster(uint32_t barrier, int parity, emu::Where where) {
  if (!left_out("mbarrier_wait_cluster", where)) wait_for_phase(barrier, parity, true);
}

void tma_load_2d_multicast(uint32_t to, const CUtensorMap* map, int x, int y, uint32_t barrier,
                           uint16_t ctas, uint64_t policy) {
  for (int rank = 0; ctas >> rank != 0; ++rank)
    if ((ctas >> rank & 1) != 0)
      tma_load_3d(in_peer(to, rank), map, x, y, 0, in_peer(barrier, rank), policy);
}

void* peer_address(void* mine, int rank) { return emu::at(in_peer(shared_address(mine), rank)); }
float4 load_peer_float4(uint32_t address, int rank) {
  const char* const from = emu::at(in_peer(address, rank));
  if (options().ordered) emu::access(from, 16, Access::kRead);
  float4 v;
  std::memcpy(&v, from, 16);
  return v;
}

}  // namespace ember::kernels
