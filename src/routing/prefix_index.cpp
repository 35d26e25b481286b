// SPDX-License-Identifier: Apache-2.0
#include "ember/routing/prefix_index.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace ember {

std::vector<uint64_t> prefix_names(const Request& request) {
  constexpr size_t kMaxNames = 256;
  std::vector<uint64_t> names(std::min(request.prompt.size() / kPrefixGrain, kMaxNames));
  uint64_t name = request.cache_scope.root().low;
  const int32_t* tokens = request.prompt.data();
  for (uint64_t& next : names) {
    name = next = XXH3_64bits_withSeed(tokens, kPrefixGrain * sizeof *tokens, name);
    tokens += kPrefixGrain;
  }
  return names;
}

PrefixIndex::PrefixIndex(int num_replicas) : replicas_(static_cast<size_t>(num_replicas)) {}

void PrefixIndex::add_replica() { replicas_.emplace_back(); }

std::span<const int> PrefixIndex::matches(std::span<const uint64_t> names) {
  matches_.assign(replicas_.size(), 0);
  for (int i = 0; const uint64_t name : names) {
    const auto found = holders_.find(name);
    if (found == holders_.end()) break;
    for (const int replica : found->second) {
      int& match = matches_[static_cast<size_t>(replica)];
      if (match == i) ++match;
    }
    ++i;
  }
  return matches_;
}

void PrefixIndex::touch(int replica, std::span<const uint64_t> names, int64_t limit) {
  Replica& r = replicas_[static_cast<size_t>(replica)];
  for (size_t i = names.size(); i-- > 0;) {
    const auto [place, added] = r.places.try_emplace(names[i]);
    if (added) {
      r.order.push_front(names[i]);
      place->second = r.order.begin();
      holders_[names[i]].push_back(replica);
    } else {
      r.order.splice(r.order.begin(), r.order, place->second);
    }
  }
  forget_oldest(replica, size(replica) - std::max<int64_t>(limit, 0));
}

void PrefixIndex::forget_oldest(int replica, int64_t count) {
  Replica& r = replicas_[static_cast<size_t>(replica)];
  for (; count > 0 && !r.order.empty(); --count) {
    const uint64_t name = r.order.back();
    const auto holders = holders_.find(name);
    std::vector<int>& list = holders->second;
    *std::ranges::find(list, replica) = list.back();
    list.pop_back();
    if (list.empty()) holders_.erase(holders);
    r.places.erase(name);
    r.order.pop_back();
  }
}

void PrefixIndex::clear(int replica) { forget_oldest(replica, size(replica)); }

int64_t PrefixIndex::size(int replica) const {
  return static_cast<int64_t>(replicas_[static_cast<size_t>(replica)].places.size());
}

}  // namespace ember
