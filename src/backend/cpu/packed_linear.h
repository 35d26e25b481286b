// SPDX-License-Identifier: Apache-2.0
// A matrix in the order in which the kernels read it.
#pragma once

#include <span>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/memory.h"
#include "cpu/thread_pool.h"
#include "ember/backend/backend.h"

namespace ember::cpu {

// Outputs of a matrix whose weights have one format: 32 of them side by side, so that each is one
// lane's sum over the inputs. packed_index tells where a plain number lies, quantized_layout.h
// where the codes of blocks do.
struct Segment {
  WeightFormat format = WeightFormat::kF32;
  int64_t first_output = 0, outputs = 0;
  void* weights = nullptr;
  float* bias = nullptr;  // [ceil(outputs / 32) * 32]; null: none

  int64_t blocks() const { return round_up(outputs, kBlockOutputs) / kBlockOutputs; }
};

// Its product is that of each segment; neighbouring outputs of one format are one segment.
struct PackedLinear {
  int64_t in = 0, out = 0;
  Partition partition;
  size_t table = 0;               // its number in the Exchange, where it is split by vocabulary
  std::vector<Segment> segments;  // in the order of the outputs

  Leaves leaves() const {
    if (partition.leaf_ends.empty()) return {};
    return {.ends = partition.leaf_ends.data(),
            .count = static_cast<int>(partition.leaf_ends.size()),
            .padded = partition.leaf_unit % kPaddedInputs == 0};
  }

  static size_t bytes(std::span<const WeightShape> weights, bool bias);
};

// Arguments as Backend::make_linear. Each page is first touched by the thread that packs it. Throws
// StartError(kBadModel) where weights differ in columns, or are in blocks that have no panels.
PackedLinear pack(std::span<const WeightView> weights, std::span<const Tensor> biases, Arena& arena,
                  ThreadPool& pool);

// Copies row `row` of the matrix to y[in], as floats.
void unpack_row(const PackedLinear& matrix, int64_t row, float* y);

}  // namespace ember::cpu
