// SPDX-License-Identifier: Apache-2.0
#include "cuda_language.h"

#include <atomic>

void __syncthreads(emu::Where where) {
  if (!emu::left_out("__syncthreads", where)) emu::barrier_sync(0, emu::launch.threads, true);
}
int __syncthreads_or(int v) { return emu::vote_all_threads(v, 0); }
int __syncthreads_and(int v) { return emu::vote_all_threads(v, 1); }
int __syncthreads_count(int v) { return emu::vote_all_threads(v, 2); }

void __syncwarp(unsigned mask, emu::Where where) {
  if (emu::left_out("__syncwarp", where)) return;
  emu::check_full_mask(mask);
  emu::meet_warp(emu::current, "__syncwarp", [](void** lanes) {
    if (!emu::options().ordered) return;
    emu::Gathering gathering;
    for (int lane = 0; lane < 32; ++lane) {
      auto& thread = *static_cast<emu::Thread*>(lanes[lane]);
      gathering.add(thread.knows, {thread.id, thread.clock++});
    }
    const emu::Knowledge all = gathering.take();
    for (int lane = 0; lane < 32; ++lane) static_cast<emu::Thread*>(lanes[lane])->knows.join(all);
  });
}

void __threadfence(emu::Where where) {
  if (emu::options().ordered && !emu::left_out("__threadfence", where))
    emu::fence(*emu::current, false);
}
void __threadfence_system(emu::Where where) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (emu::options().ordered && !emu::left_out("__threadfence_system", where))
    emu::fence(*emu::current, true);
}

namespace emu {

void check_full_mask(unsigned mask) {
  if (mask != ~0u) fail("the emulator knows collectives of whole warps only");
}

namespace {

struct Shuffled {
  const void* v;
  void* result;
  int operand;  // each lane has its own
};

const char* name(Shuffle kind) {
  switch (kind) {
    case Shuffle::kLane:
      return "__shfl_sync";
    case Shuffle::kXor:
      return "__shfl_xor_sync";
    case Shuffle::kUp:
      return "__shfl_up_sync";
    default:
      return "__shfl_down_sync";
  }
}

int source_lane(Shuffle kind, int lane, int operand, int width) {
  const int first = lane & ~(width - 1);
  switch (kind) {
    case Shuffle::kLane:
      return first | (operand & (width - 1));
    case Shuffle::kXor:
      return (lane ^ operand) / width > lane / width ? lane : lane ^ operand;
    case Shuffle::kUp:
      return lane - first < operand ? lane : lane - operand;
    default:
      return lane - first + operand >= width ? lane : lane + operand;
  }
}

}  // namespace

void shuffle(unsigned mask, const void* v, void* result, size_t bytes, Shuffle kind, int operand,
             int width) {
  check_full_mask(mask);
  Shuffled mine{v, result, operand};
  meet_warp(&mine, name(kind), [=](void** lanes) {
    for (int lane = 0; lane < 32; ++lane) {
      const auto& to = *static_cast<Shuffled*>(lanes[lane]);
      const auto& from = *static_cast<Shuffled*>(lanes[source_lane(kind, lane, to.operand, width)]);
      std::memcpy(to.result, from.v, bytes);
    }
  });
}

unsigned ballot(unsigned mask, bool predicate) {
  check_full_mask(mask);
  unsigned both[2] = {predicate, 0};
  meet_warp(both, "a vote", [](void** lanes) {
    unsigned bits = 0;
    for (int lane = 0; lane < 32; ++lane) bits |= static_cast<unsigned*>(lanes[lane])[0] << lane;
    for (int lane = 0; lane < 32; ++lane) static_cast<unsigned*>(lanes[lane])[1] = bits;
  });
  return both[1];
}

}  // namespace emu
