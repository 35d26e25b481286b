// SPDX-License-Identifier: Apache-2.0
// The machine that runs kernels compiled with EMBER_EMULATE: every CUDA thread is a fiber, the CTAs
// of one cluster run at a time.
//
// What real hardware leaves open is decided by a seed: the order of CTAs, how long a warp stalls,
// when (and in which order) asynchronous copies land, when wgmma executes. What the machine notices
// is an emu::Error: accesses to memory and registers that nothing orders (memory.h, registers.h),
// deadlocks (with the place where each warp waits), mbarriers that are arrived on too often,
// threads that disagree about a barrier's size, warps that diverge before a collective, a movmatrix
// before which nothing brings the lanes together when some have loaded or stored more than others,
// misaligned copies, copies and products in flight at exit, writes into the 4 KiB beyond the shared
// memory asked for, access to the shared memory of a CTA that has ended. Kernels run one at a time;
// run() takes a lock and may be called from any thread.
//
// Not modelled: speed, register limits.
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

#include "clocks.h"
#include "fiber.h"
#include "memory.h"
#include "registers.h"
#include "sites.h"

namespace emu {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A mistake of the kernel's author, made by the machine, to show that tests would notice it. Sites
// (sites.h) can be left out besides.
enum class Fault {
  kNone,
  kWrongSwizzle,  // TMA writes rows without the swizzle
  kWrongLeading,  // the descriptor's distance of images side by side is lost
  kNoZeroFill,    // TMA reads on outside the tensor
  kLostArrival,   // one thread's arrival is lost
  kEarlyTrigger,  // every grid lets its dependents begin at once
};

struct Options {
  uint64_t seed = 1;
  int stall = 0;  // a runnable warp stalls with probability 1 / stall per turn; 0: never
  Fault fault = Fault::kNone;
  bool ordered = true;  // accesses that nothing orders are errors
};

void configure(const Options& options);  // for the kernels run after it
const Options& options();
// A machine that has run nothing: configured so, nothing is left out, no access is remembered.
void reset(const Options& options);

struct Launch {
  dim3 grid;
  int threads = 0;
  size_t shared_bytes = 0;
  int cluster = 1;
  bool programmatic = false;     // may begin before the one before it has ended
  const void* stream = nullptr;  // null: the caller's thread
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

// What those who come bring, and what those who leave take, by the parity of the generation.
struct Exchange {
  Gathering brought;
  Knowledge taken[2];
};

struct Barrier {
  uint32_t arrived = 0, generation = 0, expected = 0;
  Exchange knowledge;
};

struct Mbarrier {
  int count = 0, pending = 0;
  int64_t bytes = 0;
  uint32_t generation = 0;
  Stamp made;           // its initialisation
  bool fenced = false;  // which asynchronous copies may rely on
  bool peers = false;   // threads of other CTAs have arrived
  uint32_t agent = 0;   // the copies that it counts; a phase is a clock
  Exchange knowledge;
};

// Products that a warpgroup has issued: those not yet committed, and the committed groups. A null
// function: already executed.
struct ProductQueue {
  using Group = std::vector<std::function<void()>>;
  Group open;
  std::deque<Group> committed;
  uint32_t groups = 0;  // committed, ever
};

// One cp.async. It may land at any time before it is waited for.
struct ThreadCopy {
  uint32_t to;
  const void* from;      // null: zeros
  bool done = false;     // has landed
  bool counted = false;  // by an mbarrier
};
using CopyGroup = std::vector<std::shared_ptr<ThreadCopy>>;

struct Cta {
  uint3 block;
  std::vector<Rendezvous> warps, warpgroups;
  Barrier barriers[16];
  std::vector<int> votes;  // of __syncthreads_or and the like
  std::unordered_map<uint32_t, Mbarrier> mbarriers;
  std::vector<ProductQueue> products;
  int alive = 0;
  bool resolved = false;  // the programmatic dependency, by one of its threads
  std::unordered_map<uint32_t, uint32_t> visits;  // of other CTAs' threads: their last clocks
  Gathering ended;                                // its threads' knowledge at their ends
};

struct Thread {
  Fiber fiber;
  Cta* cta = nullptr;
  uint3 thread;
  int index = 0;       // in its CTA
  int rank = 0;        // of its CTA in the cluster
  uint32_t id = 0;     // in the cluster: its agent
  uint32_t clock = 1;  // of its next access
  Knowledge knows;
  Registers registers;
  bool unfenced = false;  // has written to global memory since its last fence
  uint32_t accesses = 0;  // to memory, since the lanes of its warp last met
  bool done = true;
  const uint32_t* watched = nullptr;  // blocked until *watched != seen
  uint32_t seen = 0;
  const char* where = "";
  uint32_t cluster_generation = 0;
  CopyGroup open_copies;
  std::deque<CopyGroup> copies;
  std::vector<uint32_t> unfenced_barriers;  // mbarriers initialised since the last fence

  int lane() const { return index % 32; }
  int warp() const { return index / 32; }
  int warpgroup() const { return index / 128; }
};

extern Thread* current;
extern thread_local bool in_kernel;  // whose accesses to memory are looked at
extern Launch launch;                // the one that runs
int cluster_threads();               // of it

// As long as it lives, the kernel's thread does the machine's work, and its accesses are not looked
// at: the linker may have chosen the kernels' copy of a template, with calls of the hooks, for the
// machine too.
class Unwatched {
 public:
  [[gnu::no_sanitize("thread")]] Unwatched() : before_(in_kernel) { in_kernel = false; }
  [[gnu::no_sanitize("thread")]] ~Unwatched() { in_kernel = before_; }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;

 private:
  const bool before_;
};

// For kernels: the built-in variables. They do not change while a thread runs.
[[gnu::const]] uint3 thread_index();
[[gnu::const]] uint3 block_index();
[[gnu::const]] dim3 grid_size();
[[gnu::const]] dim3 block_size();
[[gnu::const]] uint8_t* cta_shared_memory();

// Ends the kernel with an Error.
[[noreturn]] void fail(const std::string& what);
// Blocks the current thread until the counter is no longer `seen`.
void wait_change(const uint32_t& counter, uint32_t seen, const char* where);
void progress();  // somebody may go on now
uint32_t random_below(uint32_t n);

// The running thread brings what it knows, and takes what was brought.
void bring(Exchange& exchange);
void take(const Exchange& exchange, uint32_t generation);
void pass(Exchange& exchange, uint32_t generation);  // all have come
// It touches the shared memory of another CTA, which must not have ended and not end before.
void peer_access(Thread& thread, int rank);

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

// The lanes of the running thread's warp are together.
void together();
// The same, for an instruction that asks for it and does not bring them together (.aligned): an
// error where some have loaded or stored more than others since they last met.
void check_together(const char* what);

template <class Act>
void meet_warp(void* argument, const char* what, Act&& act) {
  meet(current->cta->warps[static_cast<size_t>(current->warp())], current->lane(), 32, argument,
       what, [&](void** lanes) {
         together();
         act(lanes);
       });
}

template <class Act>
void meet_aligned_warp(void* argument, const char* what, Act&& act) {
  meet(current->cta->warps[static_cast<size_t>(current->warp())], current->lane(), 32, argument,
       what, [&](void** lanes) {
         check_together(what);
         together();
         act(lanes);
       });
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
Mbarrier& mbarrier(uint32_t address);  // an initialised one, as the running thread knows
void make_mbarrier(uint32_t address, int arrivals);
void complete_bytes(uint32_t address, int64_t bytes);
void arrive(uint32_t address);  // the running thread, or copies that have landed
// What those learn who see the current phase complete.
Stamp completion_of(const Mbarrier& barrier);
// The agent of a warp's products.
uint32_t product_agent(const Thread& thread);

}  // namespace emu
