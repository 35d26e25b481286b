// SPDX-License-Identifier: Apache-2.0
// Which beginnings of prompts a replica has seen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ember/routing/name_table.h"
#include "ember/scheduler/request.h"

namespace ember {

// Tokens from one name of a prompt to the next: name i stands for the prompt's first
// (i + 1) * kPrefixGrain tokens, and equal names are equal beginnings. A hash of the tokens, their
// predecessors and their CacheScope.
inline constexpr int kPrefixGrain = 128;

// The names of the request's prompt: the first 256 of them, shortest beginning first.
std::vector<uint64_t> prefix_names(const Request& request);

// For each replica the names that were touched last. It knows no device: what it says is a guess
// about the replica's cache, which evicts by the same rule.
class PrefixIndex {
 public:
  explicit PrefixIndex(int num_replicas = 0);

  void add_replica();
  // How many of `names`, from the first one on, each replica has. Valid until the next call.
  std::span<const int> matches(std::span<const uint64_t> names);
  // `replica` has these names now. It forgets those that were touched longest ago, the end of a
  // prompt before its beginning, until it has `limit` at most.
  void touch(int replica, std::span<const uint64_t> names, int64_t limit);
  // Forgets the `count` names of `replica` that were touched longest ago.
  void forget_oldest(int replica, int64_t count);
  void clear(int replica);
  int64_t size(int replica) const;

 private:
  using Holders = NameTable<std::vector<int>>;
  // A name in a replica's order, whose neighbours are places in the same table.
  struct Link {
    int32_t newer = -1, older = -1;
    Holders::Place holders = -1;
  };
  struct Replica {
    NameTable<Link> names;
    int32_t newest = -1, oldest = -1;  // touched last, touched longest ago
  };

  static void push_front(Replica& replica, int32_t place);
  static void unlink(Replica& replica, int32_t place);
  // The entry of `name`, which `replica` holds from now on.
  Holders::Place hold(int replica, uint64_t name);
  void drop(int replica, Holders::Place place);

  std::vector<Replica> replicas_;
  Holders holders_;  // of each name that anyone has
  std::vector<int> matches_;
};

}  // namespace ember
