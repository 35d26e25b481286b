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
    const Holders::Place found = holders_.find(name);
    if (found == Holders::kNone) break;
    for (const int replica : holders_.at(found)) {
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
    int32_t place = r.names.find(names[i]);
    if (place >= 0) {
      unlink(r, place);
    } else {
      place = r.names.insert(names[i]);
      r.names.at(place).holders = hold(replica, names[i]);
    }
    push_front(r, place);
  }
  forget_oldest(replica, size(replica) - std::max<int64_t>(limit, 0));
}

void PrefixIndex::push_front(Replica& replica, int32_t place) {
  Link& link = replica.names.at(place);
  link.newer = -1;
  link.older = replica.newest;
  (replica.newest >= 0 ? replica.names.at(replica.newest).newer : replica.oldest) = place;
  replica.newest = place;
}

void PrefixIndex::unlink(Replica& replica, int32_t place) {
  const Link& link = replica.names.at(place);
  (link.newer >= 0 ? replica.names.at(link.newer).older : replica.newest) = link.older;
  (link.older >= 0 ? replica.names.at(link.older).newer : replica.oldest) = link.newer;
}

PrefixIndex::Holders::Place PrefixIndex::hold(int replica, uint64_t name) {
  Holders::Place place = holders_.find(name);
  if (place == Holders::kNone) place = holders_.insert(name);
  holders_.at(place).push_back(replica);
  return place;
}

void PrefixIndex::drop(int replica, Holders::Place place) {
  std::vector<int>& list = holders_.at(place);
  *std::ranges::find(list, replica) = list.back();
  list.pop_back();
  if (list.empty()) holders_.erase(place);
}

void PrefixIndex::forget_oldest(int replica, int64_t count) {
  Replica& r = replicas_[static_cast<size_t>(replica)];
  for (; count > 0 && r.oldest >= 0; --count) {
    const int32_t oldest = r.oldest;
    drop(replica, r.names.at(oldest).holders);
    unlink(r, oldest);
    r.names.erase(oldest);
  }
}

void PrefixIndex::clear(int replica) { forget_oldest(replica, size(replica)); }

int64_t PrefixIndex::size(int replica) const {
  return static_cast<int64_t>(replicas_[static_cast<size_t>(replica)].names.size());
}

}  // namespace ember
