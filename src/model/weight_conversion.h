// SPDX-License-Identifier: Apache-2.0
// Converts the weights that a checkpoint stores to those that a device loads.
#pragma once

#include <optional>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/model/checkpoint.h"
#include "weight_specs.h"

namespace ember {

// The type in which a matrix is loaded by default. Plain numbers stay what they
// are, and FP8 becomes what config.json says of the model. Blocks and integers become float16: half
// of float32's memory, at an error that is an eighth of bfloat16's and far below that of the blocks
// themselves.
DType default_dtype(WeightFormat stored, DType of_model);

// What a matrix is loaded as: what is asked for; else as it is stored, where the backend takes
// that. of_model: DecoderConfig::dtype.
WeightFormat loaded_format(WeightFormat stored, DType of_model, std::optional<DType> asked_for,
                           const Backend& backend);

// The weights as `to`, which is plain numbers or what they are stored as, rows in the model's
// order: the stored ones themselves where that is what they are, otherwise made in `storage`. A
// vector counts as a matrix of one column. Throws StartError(kBadModel) for a weight that is too
// large for `to`.
WeightView convert_weights(const StoredTensor& stored, const TensorSpec& spec, WeightFormat to,
                           std::vector<uint8_t>& storage);

}  // namespace ember
