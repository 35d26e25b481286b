// SPDX-License-Identifier: Apache-2.0
// Host memory: how much there is, and large blocks of it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "ember/backend/backend.h"

namespace ember::cpu {

// What the kernel calls available, bounded by the memory limit of the control group (version 2).
MemoryInfo host_memory();
// The same, from these files (for tests): the format of /proc/meminfo; memory.max and
// memory.current of a group, which may be missing.
MemoryInfo host_memory(const std::filesystem::path& meminfo, const std::filesystem::path& group);

// Owns zeroed memory, aligned to a cache line, freed with the arena. Small pieces share what is
// mapped at once, so that all of it can lie in huge pages. Pages that are never touched cost
// nothing.
class Arena {
 public:
  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Throws StartError(kNoDevice) when there is none.
  void* allocate(size_t bytes);

 private:
  std::vector<std::pair<void*, size_t>> mappings_;
  std::byte* next_ = nullptr;
  size_t left_ = 0;  // bytes of the last mapping, from next_ on
};

}  // namespace ember::cpu
