// SPDX-License-Identifier: Apache-2.0
// The weights of quantised modules of a checkpoint. A module is a name without ".weight".
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ember/model/checkpoint.h"
#include "quantization.h"

namespace ember {

// Whether the checkpoint stores the module's weight as `scheme` says, not as plain numbers.
bool stores_quantized(const Checkpoint& checkpoint, const std::string& module,
                      const QuantizationScheme& scheme);

// [out, in] of a module that is stored quantised, as its codes say. Throws StartError(kBadModel)
// where they are no matrix.
std::vector<int64_t> quantized_shape(const Checkpoint& checkpoint, const std::string& module,
                                     const QuantizationScheme& scheme);

// The weight [out, in] of a module. Reads all of g_idx and the zero points of kAwq and kGptq, which
// decide what its rows are read as, but no code and no scale. `bytes` counts all of its tensors;
// `file` is that of its codes. Throws StartError(kBadModel) naming a
// tensor that is missing, of another type or shape, or an index that is out of range.
StoredTensor quantized_weight(const Checkpoint& checkpoint, const std::string& module,
                              std::span<const int64_t> shape, const QuantizationScheme& scheme);

// The module that a tensor is part of, beside its bias; empty: the name is no part's.
std::string_view module_of_part(std::string_view tensor);

}  // namespace ember
