// SPDX-License-Identifier: Apache-2.0
#include "cpu/exchange.h"

#include <utility>

#include "cpu/kernels.h"
#include "ember/base/check.h"

namespace ember::cpu {

namespace {

template <size_t N>
void add_tree(std::span<const float* const> parts, int64_t n, float* sums) {
  for (int64_t i = 0; i < n; ++i) {
    float tree[N];
    for (size_t p = 0; p < N; ++p) tree[p] = parts[p][i];
    for (size_t width = 1; width < N; width *= 2)
      for (size_t p = 0; p < N; p += 2 * width) tree[p] += tree[p + width];
    sums[i] = tree[0];
  }
}

}  // namespace

Exchange::Exchange(std::shared_ptr<Rendezvous> meeting) : meeting_(std::move(meeting)) {
  const auto n = static_cast<size_t>(meeting_->num_threads());
  ranks_.resize(n);
  for (std::vector<Tensor>& shared : shared_) shared.resize(n);
}

std::span<const Tensor> Exchange::share(int rank, Tensor mine) {
  const auto r = static_cast<size_t>(rank);
  std::vector<Tensor>& shared = shared_[ranks_[r].num_shared++ % shared_.size()];
  shared[r] = mine;
  meeting_->meet();
  return shared;
}

size_t Exchange::add_table(int rank, const PackedLinear* part) {
  std::vector<const PackedLinear*>& tables = ranks_[static_cast<size_t>(rank)].tables;
  tables.push_back(part);
  return tables.size() - 1;
}

int64_t Exchange::first_row(size_t table, int rank) const {
  int64_t row = 0;
  for (size_t r = 0; r < static_cast<size_t>(rank); ++r) row += ranks_[r].tables[table]->out;
  return row;
}

void Exchange::table_row(size_t table, int64_t row, float* y) const {
  auto rank = ranks_.begin();
  while (row >= rank->tables[table]->out) row -= rank++->tables[table]->out;
  unpack_row(*rank->tables[table], row, y);
}

void add_parts(std::span<const float* const> parts, int64_t n, float* sums) {
  static_assert(kMaxLeaves == 8);
  switch (parts.size()) {
    case 2:
      return add_tree<2>(parts, n, sums);
    case 4:
      return add_tree<4>(parts, n, sums);
    case 8:
      return add_tree<8>(parts, n, sums);
    default:
      CHECK(false, "{} parts", parts.size());
  }
}

}  // namespace ember::cpu
