// SPDX-License-Identifier: Apache-2.0
// The machine that runs kernels compiled with EMBER_EMULATE: every CUDA thread is a fiber, the CTAs
// of one cluster run at a time.
//
// What real hardware leaves open is decided by a seed: the order of CTAs, how long a warp stalls,
// when (and in which order) asynchronous copies land, when wgmma executes. What the machine notices
// is an emu::Error: deadlocks (with the place where each warp waits), barriers that are arrived on
// too often, warps that diverge before a collective, misaligned copies, copies in flight at exit,
// writes beyond the shared memory asked for, access to the shared memory of a CTA that has ended,
// reads by asynchronous copies before the programmatic dependency is resolved. Kernels run one at a
// time; run() takes a lock and may be called from any thread.
//
// Not modelled: the memory model (stores are seen at once), speed, register limits, loads by
// ordinary instructions before the dependency.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "fiber.h"

namespace emu {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A mistake of the kernel's author, made by the machine, to show that tests would notice it.
enum class Fault {
  kNone,
  kSkipBarrier,         // __syncthreads and named barriers wait for nobody
  kSkipMbarrierWait,    // mbarriers are not waited for
  kSkipRelease,         // consumers never arrive on the barrier that frees a stage
  kSkipWgmmaWait,       // accumulators are used while products are in flight
  kSkipCpAsyncWait,     // copies are used while in flight
  kSkipClusterBarrier,  // nobody waits for the other CTAs of the cluster
  kSkipDependencyWait,  // griddepcontrol.wait is missing
  kSkipProxyFence,      // fence.proxy.async is missing
  kWrongSwizzle,        // TMA writes rows without the swizzle
  kWrongLeading,        // the descriptor's distance of images side by side is lost
  kNoZeroFill,          // TMA reads on outside the tensor
  kLostArrival,         // one thread's arrival is lost
};

struct Options {
  uint64_t seed = 1;
  int stall = 0;  // a runnable warp stalls with probability 1 / stall per turn; 0: never
  Fault fault = Fault::kNone;
};

void configure(const Options& options);  // for the kernels run after it
const Options& options();

// Memory that no kernel of a step writes. Once any is named, asynchronous copies may read nothing
// else before the dependency is resolved.
void name_constant(const void* data, size_t bytes);
void forget_constants();

struct Launch {
  dim3 grid;
  int threads = 0;
  size_t shared_bytes = 0;
  int cluster = 1;
};

// Runs body once per thread of the grid.
void run(const Launch& launch, const std::function<void()>& body);

// --- for the functions that stand for instructions
// -------------------------------------------------------------------------------------

constexpr uint32_t kCtaShared = 256 * 1024;  // distance of the CTAs' shared memories
constexpr int kMaxCluster = 8;
extern char* shared_memory;

struct Rendezvous {
  uint32_t arrived = 0, generation = 0;
  const char* what = nullptr;
  void* arguments[128];
};

struct Barrier {
  uint32_t arrived = 0, generation = 0, expected = 0;
};

struct Mbarrier {
  int count = 0, pending = 0;
  int64_t bytes = 0;
  uint32_t generation = 0;
};

// Products that a warpgroup has issued: those not yet committed, and the committed groups. A null
// function: already executed.
struct ProductQueue {
  using Group = std::vector<std::function<void()>>;
  Group open;
  std::deque<Group> committed;
};

struct CopyGroup {
  std::vector<std::function<void()>> copies;
  void finish() {
    for (auto& copy : copies) copy();
    copies.clear();
  }
};

struct Cta {
  uint3 block;
  std::vector<Rendezvous> warps, warpgroups;
  Barrier barriers[16];
  std::vector<int> votes;  // of __syncthreads_or and the like
  std::unordered_map<uint32_t, Mbarrier> mbarriers;
  std::vector<ProductQueue> products;
  int alive = 0;
};

struct Thread {
  Fiber fiber;
  Cta* cta = nullptr;
  uint3 thread;
  int index = 0;  // in its CTA
  int rank = 0;   // of its CTA in the cluster
  bool done = true;
  const uint32_t* watched = nullptr;  // blocked until *watched != seen
  uint32_t seen = 0;
  const char* where = "";
  uint32_t cluster_generation = 0;
  bool dependencies_resolved = false, proxy_fenced = false;
  CopyGroup open_copies;
  std::deque<CopyGroup> copies;

  int lane() const { return index % 32; }
  int warp() const { return index / 32; }
  int warpgroup() const { return index / 128; }
};

extern Thread* current;
extern Launch launch;  // the one that runs

// Ends the kernel with an Error.
[[noreturn]] void fail(const std::string& what);
// Blocks the current thread until the counter is no longer `seen`.
void wait_change(const uint32_t& counter, uint32_t seen, const char* where);
void progress();  // somebody may go on now
uint32_t random_below(uint32_t n);

// `count` threads meet, number `index` with its argument; the last to come calls act(arguments) for
// all.
template <class Act>
void meet(Rendezvous& place, int index, int count, void* argument, const char* what, Act&& act) {
  if (place.arrived == 0)
    place.what = what;
  else if (place.what != what)
    fail(std::string("diverged: ") + place.what + " and " + what);
  place.arguments[index] = argument;
  if (++place.arrived == static_cast<uint32_t>(count)) {
    act(place.arguments);
    place.arrived = 0;
    ++place.generation;
    progress();
  } else {
    wait_change(place.generation, place.generation, what);
  }
}

template <class Act>
void meet_warp(void* argument, const char* what, Act&& act) {
  meet(current->cta->warps[static_cast<size_t>(current->warp())], current->lane(), 32, argument,
       what, act);
}

template <class Act>
void meet_warpgroup(void* argument, const char* what, Act&& act) {
  meet(current->cta->warpgroups[static_cast<size_t>(current->warpgroup())], current->index % 128,
       128, argument, what, act);
}

// Does the work later, at a random time and in random order. The kernel may not end before it.
void later(std::function<void()> work);

void barrier_sync(int id, int threads, bool wait);
int vote_all_threads(int value, int kind);  // 0: or, 1: and, 2: count
void cluster_arrive();
void cluster_wait();

char* at(uint32_t address);            // of shared memory
void check_peer(int rank);             // its CTA has not ended
Mbarrier& mbarrier(uint32_t address);  // an initialised one
void complete_bytes(uint32_t address, int64_t bytes);
void arrive(uint32_t address);
// An asynchronous copy is about to read this.
void check_async_read(const void* data, size_t bytes);

}  // namespace emu
