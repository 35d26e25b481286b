// SPDX-License-Identifier: Apache-2.0
// Quantised weights in the order in which the kernels read them (see quantized_layout.h).
#pragma once

#include <span>

#include "ember/base/weight_format.h"

namespace ember::cpu {

// Whether the CPU multiplies with these blocks as they are.
bool has_panels(WeightFormat format);

// Of `outputs` rows of `in` weights; a multiple of a cache line.
size_t panels_bytes(WeightFormat format, int64_t outputs, int64_t in);

// Writes panel number `panel`: up to 32 rows of blocks. What is missing to 32 stays as it is.
void pack_panel(WeightFormat format, std::span<const std::byte* const> rows, int64_t in,
                void* panels, int64_t panel);

// The weights of row `row` as floats: bit for bit those that the format defines.
void unpack_panel_row(WeightFormat format, const void* panels, int64_t in, int64_t row, float* y);

}  // namespace ember::cpu
