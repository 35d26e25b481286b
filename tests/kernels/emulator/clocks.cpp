// SPDX-License-Identifier: Apache-2.0
#include "clocks.h"

#include <algorithm>
#include <array>
#include <functional>

namespace emu {

namespace {

struct Joined {
  Clocks a, b, both;
};

std::array<Joined, 256>& joined() {
  static std::array<Joined, 256> all;
  return all;
}

void raise(std::vector<uint32_t>& clocks, Stamp stamp) {
  if (clocks.size() <= stamp.agent) clocks.resize(stamp.agent + 1);
  clocks[stamp.agent] = std::max(clocks[stamp.agent], stamp.clock);
}

// Whether a knows all that b knows.
bool includes(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  return a.size() >= b.size() && std::equal(b.begin(), b.end(), a.begin(), std::less_equal<>());
}

// One of the two where it is the larger for all agents, so that many come to share it.
Clocks larger(const Clocks& a, const Clocks& b) {
  if (includes(*b, *a)) return b;
  if (includes(*a, *b)) return a;
  const bool a_is_longer = a->size() >= b->size();
  auto both = std::make_shared<std::vector<uint32_t>>(a_is_longer ? *a : *b);
  const std::vector<uint32_t>& other = a_is_longer ? *b : *a;
  for (size_t i = 0; i < other.size(); ++i) (*both)[i] = std::max((*both)[i], other[i]);
  return both;
}

}  // namespace

Clocks join(const Clocks& a, const Clocks& b) {
  if (a == b || b == nullptr) return a;
  if (a == nullptr) return b;
  const auto hash =
      reinterpret_cast<uintptr_t>(a.get()) * 31 + reinterpret_cast<uintptr_t>(b.get());
  Joined& place = joined()[hash / 16 % joined().size()];
  if (place.a == a && place.b == b) return place.both;
  place = {a, b, larger(a, b)};
  return place.both;
}

GridClocks join(const GridClocks& a, const GridClocks& b) {
  if (a == b || b == nullptr) return a;
  if (a == nullptr) return b;
  auto both = std::make_shared<std::map<uint32_t, Clocks>>(*a);
  for (const auto& [cluster, clocks] : *b) {
    Clocks& mine = (*both)[cluster];
    mine = join(mine, clocks);
  }
  return both;
}

Clocks with(const Clocks& clocks, Stamp stamp) {
  if (covers(clocks, stamp)) return clocks;
  auto more = clocks == nullptr ? std::make_shared<std::vector<uint32_t>>()
                                : std::make_shared<std::vector<uint32_t>>(*clocks);
  raise(*more, stamp);
  return more;
}

void forget_joins() { joined().fill({}); }

bool covers(const GridClocks& clocks, uint32_t cluster, Stamp stamp) {
  if (clocks == nullptr) return false;
  const auto found = clocks->find(cluster);
  return found != clocks->end() && covers(found->second, stamp);
}

void Knowledge::join(const Knowledge& more) {
  seen = emu::join(seen, more.seen);
  proxied = emu::join(proxied, more.proxied);
  fenced = emu::join(fenced, more.fenced);
  system = emu::join(system, more.system);
  observed = emu::join(observed, more.observed);
  others = emu::join(others, more.others);
}

void Gathering::add(const Knowledge& knowledge, Stamp stamp) {
  all_.join(knowledge);
  own_.push_back(stamp);
}

Knowledge Gathering::take() {
  if (!own_.empty()) {
    auto seen = all_.seen == nullptr ? std::make_shared<std::vector<uint32_t>>()
                                     : std::make_shared<std::vector<uint32_t>>(*all_.seen);
    for (const Stamp& stamp : own_) raise(*seen, stamp);
    all_.seen = std::move(seen);
    own_.clear();
  }
  return std::exchange(all_, {});
}

}  // namespace emu
