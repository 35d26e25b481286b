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

// Zeroed pages, huge ones where the system has them; what is never touched takes no memory.
class Mapping {
 public:
  Mapping() = default;
  explicit Mapping(size_t bytes);  // throws StartError(kNoDevice) when there is none
  ~Mapping();
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

  // At least so much; what was in it is lost when it grows.
  void grow(size_t bytes) {
    if (bytes > bytes_) *this = Mapping(bytes);
  }

 private:
  void* address_ = nullptr;  // of the whole; data_ is where huge pages can begin
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

// Each thread's own memory, of one size; what was in it is lost when that grows.
class ThreadScratch {
 public:
  explicit ThreadScratch(int num_threads) : memory_(static_cast<size_t>(num_threads)) {}

  void grow(int64_t floats);
  float* of(int thread) const {
    return reinterpret_cast<float*>(memory_[static_cast<size_t>(thread)].data());
  }

 private:
  std::vector<Mapping> memory_;
};

// Owns zeroed memory, aligned to a cache line, freed with the arena.
class Arena {
 public:
  // Pieces lie side by side in so many bytes, so that small ones are in huge pages too; once, and
  // before anything is allocated. Throws as Mapping.
  void reserve(size_t bytes);
  // What finds no room in what was reserved has pages of its own. Throws as Mapping.
  void* allocate(size_t bytes);

 private:
  Mapping reserved_;
  size_t used_ = 0;  // bytes of reserved_
  std::vector<Mapping> others_;
};

}  // namespace ember::cpu
