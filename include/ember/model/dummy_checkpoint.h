// SPDX-License-Identifier: Apache-2.0
// Random weights for any model, for benchmarks and tests without a checkpoint.
#pragma once

#include <map>

#include "ember/model/checkpoint.h"
#include "ember/model/decoder_config.h"

namespace ember {

// Has the tensors that the config asks for, all of one type. A tensor's values depend on seed, name
// and shape alone; it is made when it is asked for. Matrices keep the size of what they multiply
// (uniform, variance 1 / columns; embeddings: variance 1), biases are small, vectors of norms are
// near 1.
class DummyCheckpoint final : public Checkpoint {
 public:
  // dtype: F32, F16 or BF16.
  DummyCheckpoint(const DecoderConfig& config, uint64_t seed, DType dtype);

  const std::filesystem::path& path() const override { return path_; }
  std::vector<std::string> names() const override;
  bool has(std::string_view name) const override { return tensors_.contains(name); }
  StoredTensor stored(std::string_view name) const override;
  size_t total_bytes() const override;

 private:
  // Values are scale * [-1, 1) + shift.
  struct Distribution {
    float scale = 0, shift = 0;
  };
  struct Entry {
    std::vector<int64_t> shape;
    Distribution values;
  };

  const std::filesystem::path path_ = "random weights";
  const uint64_t seed_;
  const DType dtype_;
  std::vector<float> numbers_;  // uniform in [-1, 1)
  std::map<std::string, Entry, std::less<>> tensors_;
};

}  // namespace ember
