// SPDX-License-Identifier: Apache-2.0
// Random weights for any model, for benchmarks and tests without a checkpoint.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ember/base/tensor.h"

namespace ember {

// A tensor's values depend on seed, name and shape alone. Matrices keep the size of what they
// multiply (uniform, variance 1 / columns; embeddings: variance 1), biases are small, vectors of
// norms are near 1.
class DummyWeights {
 public:
  explicit DummyWeights(uint64_t seed);

  // F32, F16 or BF16, in `storage`, which is overwritten.
  Tensor tensor(const std::string& name, std::span<const int64_t> shape, DType dtype,
                std::vector<uint8_t>& storage) const;

 private:
  const uint64_t seed_;
  std::vector<float> numbers_;  // uniform in [-1, 1)
};

}  // namespace ember
