// SPDX-License-Identifier: Apache-2.0
// What the CPU backends of one tensor-parallel group share: a rank's view of the others.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cpu/packed_linear.h"
#include "ember/base/rendezvous.h"
#include "ember/base/tensor.h"

namespace ember::cpu {

// Each rank's functions are called by that rank's thread, by all ranks in the same order.
class Exchange {
 public:
  explicit Exchange(std::shared_ptr<Rendezvous> meeting);

  int num_ranks() const { return meeting_->num_threads(); }

  // Gives `mine` to the others and waits for theirs. Returns what each rank gave, valid until this
  // rank's next call; when that has returned, nobody looks at `mine` any more.
  std::span<const Tensor> share(int rank, Tensor mine);
  // Waits for all ranks.
  void meet() { meeting_->meet(); }

  // While the weights are loaded: the rank's next part of a matrix that is split by vocabulary.
  // Returns the number of the matrix.
  size_t add_table(int rank, const PackedLinear* part);
  // Before the first step: the tokens of the last sample(), which rank 0 alone calls.
  void set_tokens(const std::vector<int32_t>* tokens) { tokens_ = tokens; }

  // Once all ranks have loaded: where a rank's rows of a whole matrix begin.
  int64_t first_row(size_t table, int rank) const;
  // Once all ranks have loaded, any rank: row `row` of the whole matrix to y, and the tokens.
  void table_row(size_t table, int64_t row, float* y) const;
  const std::vector<int32_t>& tokens() const { return *tokens_; }

 private:
  struct Rank {
    uint32_t num_shared = 0;
    std::vector<const PackedLinear*> tables;
  };

  const std::shared_ptr<Rendezvous> meeting_;
  std::vector<Rank> ranks_;
  std::array<std::vector<Tensor>, 2> shared_;  // of each rank, in turn
  const std::vector<int32_t>* tokens_ = nullptr;
};

// sums[i] = the balanced tree over the parts' number i, which are as many as a power of two.
void add_parts(std::span<const float* const> parts, int64_t n, float* sums);

}  // namespace ember::cpu
