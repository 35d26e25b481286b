// SPDX-License-Identifier: Apache-2.0
// What the models of the kernels say of the shapes that are timed. Needs no device.
#pragma once

#include <string>

#include "kernels/bench/kernels_bench.h"
#include "kernels/bench/shapes.h"

namespace ember::kernels::bench {

// Members of a JSON object: predicted microseconds for each device of predict.h, and what bounds
// them.
std::string predicted(const GemmCase& c, int tokens);
std::string predicted(const AttentionShape& shape, const AttentionCase& c);

// A line for each shape of the families "gemm", "decode" and "prefill"; of others there is no
// model.
void print_predictions(const Options& options);

}  // namespace ember::kernels::bench
