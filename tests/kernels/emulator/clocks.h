// SPDX-License-Identifier: Apache-2.0
// What has happened before what, as vector clocks.
//
// An agent is somebody whose accesses to memory come one after the other: a thread, a warp's queue
// of wgmma products, the copies that one mbarrier counts, and the grids before this one as a whole.
// Its clock numbers its accesses. Who knows a clock of an agent may rely on the accesses with that
// number and smaller ones. Threads learn clocks where they wait for somebody.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace emu {

// An access, or the last of several: by whom, and its number.
struct Stamp {
  uint32_t agent = 0, clock = 0;
};

// By agent; an agent that is not there: nothing of it is known. Shared by all who know the same,
// never changed. Null: nothing is known.
using Clocks = std::shared_ptr<const std::vector<uint32_t>>;
// The clocks of agents of other clusters of the grid, by the number of the cluster.
using GridClocks = std::shared_ptr<const std::map<uint32_t, Clocks>>;

Clocks join(const Clocks& a, const Clocks& b);
GridClocks join(const GridClocks& a, const GridClocks& b);
// What `clocks` knows, and one stamp.
Clocks with(const Clocks& clocks, Stamp stamp);
void forget_joins();  // which are remembered, because many threads learn the same

inline bool covers(const Clocks& clocks, Stamp stamp) {
  return clocks != nullptr && stamp.agent < clocks->size() && (*clocks)[stamp.agent] >= stamp.clock;
}
bool covers(const GridClocks& clocks, uint32_t cluster, Stamp stamp);

// What somebody may rely on.
struct Knowledge {
  Clocks seen;
  Clocks proxied;       // of `seen`, what a proxy fence has made visible to asynchronous copies
  GridClocks fenced;    // what a fence has made visible to the whole device
  GridClocks system;    // what a system fence has made visible to the host
  GridClocks observed;  // what atomics have seen of other clusters, before a fence
  GridClocks others;    // what other clusters have done

  void join(const Knowledge& more);
};

// What those who come to a barrier bring.
class Gathering {
 public:
  // A thread's, which has come to `stamp`.
  void add(const Knowledge& knowledge, Stamp stamp);
  void add(Stamp stamp) { own_.push_back(stamp); }
  Knowledge take();  // what all of them bring; nothing is left

 private:
  Knowledge all_;
  std::vector<Stamp> own_;
};

}  // namespace emu
