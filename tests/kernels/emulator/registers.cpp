// SPDX-License-Identifier: Apache-2.0
#include "registers.h"

#include <algorithm>

#include "fiber.h"

namespace emu {

void Registers::begin() {
  fenced_ = false;
  complete_ = before_ = used_;
}

void Registers::fence() {
  if (marks_ == nullptr)
    marks_.reset(static_cast<Mark*>(std::calloc(Fiber::kStackBytes / 4, sizeof(Mark))));
  ++fences_;
  fenced_ = true;
}

const char* Registers::use(size_t offset, size_t bytes, uint32_t group) {
  if (!fenced_) return "wgmma without a wgmma_fence before it";
  used_ = std::max(used_, before_ + group);
  for (size_t i = offset / 4; i < (offset + bytes) / 4; ++i) {
    if (marks_[i].touched == fences_)
      return "wgmma uses registers that were touched after the last wgmma_fence";
    marks_[i].group = before_ + group;
  }
  return nullptr;
}

void Registers::complete(uint32_t group) { complete_ = std::max(complete_, before_ + group); }

}  // namespace emu
