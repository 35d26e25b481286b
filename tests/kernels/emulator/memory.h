// SPDX-License-Identifier: Apache-2.0
// Who may touch which memory when: the machine knows of every word of four bytes who wrote it last
// and who has read it since, and of every thread what it may rely on. An access that nothing orders
// after the one it depends on is an error, also where the value happens to be right: fibers take
// turns, so that no ordinary store is ever seen late, and values alone would show little.
//
// Loads and stores of kernels arrive here because their sources are compiled with -fsanitize=thread
// (hooks.cpp); instructions call it themselves. kernels/README.md lists the rules.
//
// Not an error: atomics and volatile stores of one grid among themselves (of whatever scope).
// Not noticed: a store that only an earlier reader should have come before. Remembered are the last
// reader of a word of global memory, the last one in each fourth warp of a word of shared memory,
// and none of global memory near which no kernel has stored yet.
// Stricter than PTX: bytes of one word count as one place; a volatile load is an ordinary one; what
// two mbarriers count is ordered by the first alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "clocks.h"

namespace emu {

struct Thread;

// By the running thread.
enum class Access { kRead, kWrite, kAtomic };
void access(const void* data, size_t bytes, Access access);

// The programmatic dependency is resolved: all grids before this one are complete.
void know_earlier_grids(Thread& thread);
void fence(Thread& thread, bool system);  // __threadfence, __threadfence_system
void fence_proxy(Thread& thread);         // fence.proxy.async.global

// Asynchronous copies, issued by the running thread; `completion`: what those learn who see it
// complete.
void copy_reads(const void* data, size_t bytes, Stamp completion);  // of global memory
void copy_writes(uint32_t shared, size_t bytes, Stamp completion);
// wgmma reads shared memory for a thread of each of its warps.
void product_reads(uint32_t shared, size_t bytes, Thread& thread, Stamp completion);
// cp.async: nobody may touch what it writes until landed() says when.
void copying(uint32_t shared, size_t bytes);
void landed(uint32_t shared, size_t bytes, Stamp when);

// Grids and clusters, which the machine runs one at a time. `programmatic`: the grid wants to begin
// before the one before it has ended. Returns whether it does.
bool begin_grid(bool programmatic);
void begin_cluster();
void triggered();  // the running thread has called launch_dependents
void end_thread(const Thread& thread);
void forget_memory();  // all accesses so far
uint64_t num_grids();  // that the caller's thread has run

// The next grid begins after everything before it. Any thread of the host.
void full_barrier();
// Until the object's end, the caller's thread launches grids as a stream does: each may begin
// before those before it have ended. Otherwise it waits for each.
class Chain {
 public:
  Chain();
  ~Chain();
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;
};
bool chained();

// As long as the object lives, the host reads `data` when it sees that `word` was written.
class HostPoll {
 public:
  HostPoll(const void* word, const void* data, size_t bytes);
  ~HostPoll();
  HostPoll(const HostPoll&) = delete;
  HostPoll& operator=(const HostPoll&) = delete;
};

// As if the grid before the next one wrote this, and had let its dependents begin.
void predecessor_writes(const void* data, size_t bytes);

}  // namespace emu
