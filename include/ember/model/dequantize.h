// SPDX-License-Identifier: Apache-2.0
// Stored weights as floats.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ember/base/weight_format.h"

namespace ember {

// Whether dequantize() reads a format: plain numbers and GGUF's blocks.
bool can_dequantize(WeightFormat format);

// `columns` weights of a row, a multiple of the format's block, as float32: the operations and
// their order are those of GGML's reference, so that the results are equal to the bit. `row` may
// lie at any address.
void dequantize(WeightFormat format, const std::byte* row, int64_t columns, float* to);

}  // namespace ember
