// SPDX-License-Identifier: Apache-2.0
#include "cpu/memory.h"

#include <gtest/gtest.h>

#include <fstream>

namespace ember::cpu {
namespace {

TEST(HostMemory, IsBoundedByTheControlGroup) {
  const std::filesystem::path dir = std::filesystem::path(testing::TempDir()) / "ember_memory_test";
  std::filesystem::create_directories(dir);
  std::filesystem::remove(dir / "memory.max");
  std::ofstream(dir / "meminfo")
      << "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    800 kB\n";
  EXPECT_EQ(host_memory(dir / "meminfo", dir).free_bytes, 800u * 1024);
  EXPECT_EQ(host_memory(dir / "meminfo", dir).total_bytes, 1000u * 1024);
  std::ofstream(dir / "memory.max") << "max\n";
  EXPECT_EQ(host_memory(dir / "meminfo", dir).free_bytes, 800u * 1024);
  std::ofstream(dir / "memory.max") << 500 * 1024 << "\n";
  std::ofstream(dir / "memory.current") << 200 * 1024 << "\n";
  EXPECT_EQ(host_memory(dir / "meminfo", dir).free_bytes, 300u * 1024);
  EXPECT_EQ(host_memory(dir / "meminfo", dir).total_bytes, 500u * 1024);
  EXPECT_GT(host_memory().free_bytes, 0u);
}

TEST(Arena, GivesZeroedAlignedMemory) {
  Arena arena;
  for (const size_t bytes : {size_t{1}, size_t{100}, size_t{5} << 20}) {
    auto* p = static_cast<unsigned char*>(arena.allocate(bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
    for (size_t i = 0; i < bytes; i += 997) ASSERT_EQ(p[i], 0);
    p[bytes - 1] = 1;
  }
}

}  // namespace
}  // namespace ember::cpu
