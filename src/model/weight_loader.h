// SPDX-License-Identifier: Apache-2.0
// Loads weights from a checkpoint onto a device.
#pragma once

#include "ember/model/checkpoint.h"
#include "weight_specs.h"

namespace ember {

// Fills every slot that it visits. Throws StartError(kBadModel) where the checkpoint does not have
// what a spec says, or where a number is too large for LoadOptions::dtype.
class WeightLoader final : public WeightVisitor {
 public:
  // of_model: DecoderConfig::dtype.
  WeightLoader(Backend& backend, const Checkpoint& checkpoint, DType of_model,
               const LoadOptions& options);

  void matrix(const MatrixSpec& spec, Linear& slot) override;
  void vector(const TensorSpec& spec, Tensor& slot) override;

 private:
  void count(const StoredTensor& stored);

  Backend& backend_;
  const Checkpoint& checkpoint_;
  const DType of_model_;
  const LoadOptions& options_;
  size_t bytes_done_ = 0;
  const size_t bytes_total_;
};

}  // namespace ember
