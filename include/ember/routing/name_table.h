// SPDX-License-Identifier: Apache-2.0
// A map from names of prompts to values at stable places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "ember/base/splitmix64.h"

namespace ember {

// Every choice of a router looks up and inserts hundreds of names, so a name costs no allocation:
// values lie in one array, and a table of their places is probed linearly.
template <class Value>
class NameTable {
 public:
  using Place = int32_t;  // of a value, as long as its name is in the table
  static constexpr Place kNone = -1;

  Place find(uint64_t name) const { return table_.empty() ? kNone : table_[probe(name)]; }
  // `name` is not in the table. References to values are not valid after this.
  Place insert(uint64_t name) {
    if (2 * (size_ + 1) > table_.size()) grow();
    Place place = static_cast<Place>(slots_.size());
    if (free_.empty()) {
      slots_.emplace_back();
    } else {
      place = free_.back();
      free_.pop_back();
    }
    slots_[index(place)].name = name;
    table_[probe(name)] = place;
    ++size_;
    return place;
  }
  void erase(Place place) {
    size_t hole = probe(name(place));
    // Whoever was pushed beyond the hole by others moves into it, or a probe would end there.
    for (size_t i = next(hole); table_[i] != kNone; i = next(i)) {
      const size_t wanted = begin(name(table_[i]));
      if (((i - wanted) & mask()) < ((i - hole) & mask())) continue;
      table_[hole] = table_[i];
      hole = i;
    }
    table_[hole] = kNone;
    slots_[index(place)] = {};
    free_.push_back(place);
    --size_;
  }
  Value& at(Place place) { return slots_[index(place)].value; }
  const Value& at(Place place) const { return slots_[index(place)].value; }
  uint64_t name(Place place) const { return slots_[index(place)].name; }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kFirstSize = 16;  // a power of two, as every later one
  struct Slot {
    uint64_t name = 0;
    Value value{};
  };

  static size_t index(Place place) { return static_cast<size_t>(place); }
  size_t mask() const { return table_.size() - 1; }
  size_t next(size_t i) const { return (i + 1) & mask(); }
  size_t begin(uint64_t name) const { return mix_bits(name) & mask(); }
  // Where the name is, or the end of its probe.
  size_t probe(uint64_t name) const {
    size_t i = begin(name);
    while (table_[i] != kNone && this->name(table_[i]) != name) i = next(i);
    return i;
  }
  void grow() {
    const std::vector<Place> old = std::exchange(table_, {});
    table_.assign(old.empty() ? kFirstSize : 2 * old.size(), kNone);
    for (const Place place : old)
      if (place != kNone) table_[probe(name(place))] = place;
  }

  std::vector<Slot> slots_;
  std::vector<Place> free_;
  std::vector<Place> table_;  // at most half full
  size_t size_ = 0;
};

}  // namespace ember
