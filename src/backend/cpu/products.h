// SPDX-License-Identifier: Apache-2.0
// Products with packed matrices, and what several ranks have of one put together.
#pragma once

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

#include "cpu/exchange.h"
#include "cpu/kernels.h"
#include "cpu/memory.h"
#include "cpu/packed_linear.h"
#include "cpu/quantized_kernels.h"
#include "cpu/thread_pool.h"
#include "ember/backend/backend.h"

namespace ember::cpu {

// All that it is made with must outlive it. Used by the backend's thread.
class Products {
 public:
  // exchange: null where this is the only rank.
  Products(const Kernels& kernels, const QuantizedKernels& quantized, ThreadPool& pool,
           ThreadScratch& scratch, Exchange* exchange, int rank);

  // Takes the memory that products with a matrix need, and sums of steps up to these limits.
  void prepare(const PackedLinear& matrix);
  void prepare(const StepLimits& limits);
  // The most that both take. blocks: matrices may be quantised.
  size_t step_bytes(const StepLimits& limits, bool blocks) const;

  // y = w(x), or that added to y; see Partition for what the ranks do together.
  void multiply(Tensor y, Tensor x, const Linear& w, bool add);

 private:
  // The product with one segment of a matrix, and which of a product's tasks are its.
  struct SegmentProduct {
    std::variant<LinearArgs, QuantizedArgs> args;
    int64_t first_task = 0;
  };
  // What becomes of a sum before it is written.
  struct Finish {
    float scale = 1;
    bool add = false, bias = false;
  };

  // Of this rank's part of the matrix.
  void multiply_part(Tensor y, Tensor x, const PackedLinear& matrix, const Finish& finish);
  void prepare_inputs(const PackedLinear& matrix, const float* x, int64_t x_stride, int64_t rows);
  int64_t plan_products(const PackedLinear& matrix, float* y, int64_t y_stride, const float* x,
                        int64_t x_stride, int64_t rows, const Finish& finish);
  bool splits(const PackedLinear& matrix) const;
  PreparedRows prepared(int64_t rows, int64_t in) const {
    return PreparedRows::in_memory(quantized_.integers, prepared_.data(), rows, in);
  }
  uint16_t* parts() const { return reinterpret_cast<uint16_t*>(parts_.data()); }

  void multiply_and_sum(Tensor y, Tensor x, const Linear& w, bool add);
  void multiply_for_first_rank(Tensor y, Tensor x, const Linear& w);
  size_t sums_bytes(const StepLimits& limits) const;

  const Kernels& kernels_;
  const QuantizedKernels& quantized_;
  ThreadPool& pool_;
  ThreadScratch& scratch_;
  Exchange* const exchange_;
  const int rank_;
  Mapping parts_;                       // of the inputs of a product (see Kernels::split)
  Mapping prepared_;                    // the inputs of a product (see PreparedRows)
  std::array<Mapping, 2> shared_sums_;  // used in turn: the others may still read the last ones
  uint64_t num_sums_ = 0;
  std::vector<SegmentProduct> products_;
};

}  // namespace ember::cpu
