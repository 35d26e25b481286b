// SPDX-License-Identifier: Apache-2.0
#include "cpu/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>

#include "ember/base/integers.h"
#include "ember/base/start_error.h"

namespace ember::cpu {

namespace {

std::optional<size_t> number_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  size_t value = 0;
  if (in >> value) return value;
  return std::nullopt;  // missing, or "max"
}

// The group this process is in: the line "0::/path" of /proc/self/cgroup.
std::filesystem::path own_group() {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("0::/")) return std::filesystem::path("/sys/fs/cgroup") / line.substr(4);
  return "/sys/fs/cgroup";
}

}  // namespace

MemoryInfo host_memory(const std::filesystem::path& meminfo, const std::filesystem::path& group) {
  MemoryInfo memory;
  std::ifstream in(meminfo);
  std::string name, unit;
  for (size_t kib = 0; in >> name >> kib;) {
    if (name == "MemTotal:") memory.total_bytes = kib * 1024;
    if (name == "MemAvailable:") memory.free_bytes = kib * 1024;
    std::getline(in, unit);
  }
  if (const std::optional<size_t> limit = number_in(group / "memory.max");
      limit && *limit < memory.total_bytes) {
    const size_t used = std::min(number_in(group / "memory.current").value_or(0), *limit);
    memory.total_bytes = *limit;
    memory.free_bytes = std::min(memory.free_bytes, *limit - used);
  }
  return memory;
}

MemoryInfo host_memory() { return host_memory("/proc/meminfo", own_group()); }

Arena::~Arena() {
  for (const auto& [address, bytes] : mappings_) ::munmap(address, bytes);
}

void* Arena::allocate(size_t bytes) {
  constexpr size_t kLine = 64, kHuge = size_t{2} << 20, kChunk = size_t{64} << 20;
  bytes = round_up(std::max<size_t>(bytes, 1), kLine);
  if (bytes > left_) {
    const size_t chunk = round_up(std::max(bytes, kChunk), kHuge), mapped = chunk + kHuge;
    void* address = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED)
      throw StartError(ExitCode::kNoDevice,
                       fmt::format("no memory: {} bytes could not be allocated", bytes));
    mappings_.emplace_back(address, mapped);
    next_ = reinterpret_cast<std::byte*>(round_up(reinterpret_cast<uintptr_t>(address), kHuge));
    left_ = chunk;
    ::madvise(next_, chunk, MADV_HUGEPAGE);  // a wish: without it everything works, slower
  }
  void* const result = next_;
  next_ += bytes;
  left_ -= bytes;
  return result;
}

}  // namespace ember::cpu
