// SPDX-License-Identifier: Apache-2.0
#include "cpu/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "base/temp_dir.h"

namespace ember::cpu {
namespace {

TEST(HostMemory, IsBoundedByTheControlGroup) {
  const test::TempDir temp;
  const std::filesystem::path& dir = temp.path();
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

TEST(Arena, SmallPiecesShareAHugePage) {
  Arena arena;
  arena.reserve(size_t{8} << 20);
  std::set<uintptr_t> pages;
  for (int i = 0; i < 100; ++i)
    pages.insert(reinterpret_cast<uintptr_t>(arena.allocate(1000)) >> 21);
  EXPECT_EQ(pages.size(), 1u);
  arena.allocate(size_t{16} << 20);  // has no room there
  EXPECT_TRUE(pages.contains(reinterpret_cast<uintptr_t>(arena.allocate(1000)) >> 21));
}

TEST(Mapping, MovesAndGrowsByBeingMadeAgain) {
  Mapping memory;
  EXPECT_EQ(memory.bytes(), 0u);
  for (const size_t bytes : {size_t{100}, size_t{5} << 20}) {
    memory = Mapping(bytes);
    EXPECT_EQ(memory.bytes(), bytes);
    memory.data()[bytes - 1] = std::byte{1};
  }
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.data()) % (size_t{2} << 20), 0u);
  const Mapping other = std::move(memory);
  EXPECT_EQ(other.data()[(size_t{5} << 20) - 1], std::byte{1});
}

class ArenaPieces : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Reserved, ArenaPieces,
                         testing::Values(0, size_t{1} << 20, size_t{80} << 20, size_t{200} << 20));

TEST_P(ArenaPieces, AreZeroedAlignedAndOverlapNothing) {
  Arena arena;
  arena.reserve(GetParam());
  std::vector<std::pair<unsigned char*, size_t>> pieces;
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{100}, size_t{5} << 20, size_t{63} << 20,
                             size_t{65} << 20, size_t{64}, size_t{3} << 20}) {
    auto* p = static_cast<unsigned char*>(arena.allocate(bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
    for (size_t i = 0; i < bytes; i += 997) ASSERT_EQ(p[i], 0);
    pieces.emplace_back(p, bytes);
    for (size_t i = 0; i < bytes; i += i + 1 == bytes ? 1 : std::min<size_t>(997, bytes - i - 1))
      p[i] = static_cast<unsigned char>(pieces.size());
  }
  for (size_t n = 0; n < pieces.size(); ++n)
    for (size_t i = 0; i < pieces[n].second; i += 997) ASSERT_EQ(pieces[n].first[i], n + 1);
}

}  // namespace
}  // namespace ember::cpu
