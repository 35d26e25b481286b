// SPDX-License-Identifier: Apache-2.0
// The registers of a thread that its warpgroup's products use. Arrays on the stack of the thread's
// fiber stand for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace emu {

class Registers {
 public:
  void begin();  // of a cluster: nothing is in flight, and nothing is fenced
  void fence();  // wgmma.fence
  // A product of group number `group` (1, 2, ...) uses them. Returns what is wrong with that, or
  // null.
  const char* use(size_t offset, size_t bytes, uint32_t group);
  void complete(uint32_t group);  // and those before it
  // An ordinary access. Returns what is wrong with it, or null.
  const char* touch(size_t offset, size_t bytes) {
    if (!fenced_) return nullptr;
    for (size_t i = offset / 4; i < (offset + bytes + 3) / 4; ++i) {
      if (marks_[i].group > complete_) return "registers are touched while wgmma uses them";
      marks_[i].touched = fences_;
    }
    return nullptr;
  }

 private:
  struct Mark {
    uint32_t touched;  // after which fence
    uint32_t group;    // that uses it
  };
  struct Free {
    void operator()(Mark* marks) const { std::free(marks); }
  };
  // Of every four bytes of the stack; made by the first fence. Numbers of fences and groups grow
  // from cluster to cluster, so that old marks need not be cleared.
  std::unique_ptr<Mark[], Free> marks_;
  bool fenced_ = false;
  uint32_t fences_ = 0, before_ = 0, used_ = 0, complete_ = 0;
};

}  // namespace emu
