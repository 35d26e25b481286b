// SPDX-License-Identifier: Apache-2.0
// Sums in leaves, as the kernels' definition has them (see cpu::Leaves).
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace ember::cpu {

// The balanced tree of the sums of leaves, which are as many as a power of two.
inline std::vector<float> tree_of(std::vector<std::vector<float>> leaves) {
  for (size_t width = 1; width < leaves.size(); width *= 2)
    for (size_t i = 0; i < leaves.size(); i += 2 * width)
      for (size_t j = 0; j < leaves[i].size(); ++j) leaves[i][j] += leaves[i + width][j];
  return leaves[0];
}

// Ends of 1, 2, 4 or 8 leaves of `in` inputs, at multiples of `unit` but for the last.
inline std::vector<int64_t> random_leaf_ends(int64_t in, int64_t unit, std::mt19937_64& random) {
  const int64_t units = (in + unit - 1) / unit;
  int64_t count = int64_t{1} << random() % 4;
  while (count > units) count /= 2;
  std::set<int64_t> ends = {in};
  while (static_cast<int64_t>(ends.size()) < count)
    ends.insert(unit * std::uniform_int_distribution<int64_t>(1, units - 1)(random));
  return {ends.begin(), ends.end()};
}

}  // namespace ember::cpu
