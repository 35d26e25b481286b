// SPDX-License-Identifier: Apache-2.0
#include "cpu/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "ember/base/check.h"
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

namespace {

constexpr size_t kLine = 64, kHuge = size_t{2} << 20;

// Room in front of the data of a mapping, so that it can begin where a huge page does.
size_t room(size_t bytes) { return bytes >= kHuge ? kHuge : 0; }

}  // namespace

Mapping::Mapping(size_t bytes) : bytes_(bytes) {
  address_ = ::mmap(nullptr, bytes + room(bytes), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address_ == MAP_FAILED)
    throw StartError(ExitCode::kNoDevice,
                     fmt::format("no memory: {} bytes could not be allocated", bytes));
  const auto address = reinterpret_cast<uintptr_t>(address_);
  data_ = reinterpret_cast<std::byte*>(room(bytes) > 0 ? round_up(address, kHuge) : address);
  // A wish: without it everything works, slower.
  if (room(bytes) > 0) ::madvise(data_, bytes, MADV_HUGEPAGE);
}

Mapping::~Mapping() {
  if (address_ != nullptr) ::munmap(address_, bytes_ + room(bytes_));
}

Mapping::Mapping(Mapping&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Arena::reserve(size_t bytes) {
  CHECK(reserved_.data() == nullptr && others_.empty());
  if (bytes > 0) reserved_ = Mapping(bytes);
}

void ThreadScratch::grow(int64_t floats) {
  for (Mapping& memory : memory_) memory.grow(static_cast<size_t>(floats) * sizeof(float));
}

void* Arena::allocate(size_t bytes) {
  bytes = round_up(std::max<size_t>(bytes, 1), kLine);
  if (bytes > reserved_.bytes() - used_) return others_.emplace_back(bytes).data();
  void* const result = reserved_.data() + used_;
  used_ += bytes;
  return result;
}

}  // namespace ember::cpu
