// SPDX-License-Identifier: Apache-2.0
// Which tensors a decoder is made of, and how they get from a checkpoint to a device.
#pragma once

#include <string>
#include <vector>

#include "dummy_weights.h"
#include "ember/model/decoder.h"

namespace ember {

// A matrix that is stored as one or several tensors "name.weight" [rows, in] (and "name.bias"
// [rows]), stacked.
struct MatrixSpec {
  struct Part {
    std::string name;
    int64_t rows;
  };
  std::vector<Part> parts;
  int64_t in_features = 0;
  bool bias = false;
  Split split = Split::kNone;  // of the matrix over the ranks

  int64_t out_features() const;
};

struct LayerSpec {
  MatrixSpec qkv, output, gate_up, down;
  std::string input_norm, mlp_norm, q_norm, k_norm, post_attention_norm,
      post_mlp_norm;  // empty: none
};

LayerSpec layer_spec(const DecoderConfig& config, int layer);
MatrixSpec embedding_spec(const DecoderConfig& config);
MatrixSpec lm_head_spec(const DecoderConfig& config);
inline constexpr const char* kFinalNorm = "model.norm.weight";

class WeightLoader {
 public:
  WeightLoader(Backend& backend, const DecoderConfig& config, const Checkpoint& checkpoint,
               const LoadOptions& options);

  Linear matrix(const MatrixSpec& spec, bool gated = false);
  Tensor vector(const std::string& name, int64_t size);  // empty name: an empty tensor

 private:
  // The tensor, in `copy` where the file has it at an address that its type may not be read from.
  Tensor fetch(const std::string& name, const std::vector<int64_t>& shape,
               std::vector<uint8_t>& copy) const;
  Tensor converted(Tensor tensor, const std::string& name, std::vector<uint8_t>& storage) const;
  void count(const Tensor& tensor);

  Backend& backend_;
  const Checkpoint& checkpoint_;
  const LoadOptions& options_;
  const DType dummy_dtype_;
  std::optional<DummyWeights> dummy_;
  size_t bytes_done_ = 0;
  const size_t bytes_total_;
};

}  // namespace ember
