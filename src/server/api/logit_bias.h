// SPDX-License-Identifier: Apache-2.0
// OpenAI's field "logit_bias".
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "ember/server/json_reader.h"

namespace ember {

// Token ids in [0, vocab_size), in ascending order, and what is added to their logits: -100 to 100.
std::vector<std::pair<int32_t, float>> read_logit_bias(FieldReader& fields, int32_t vocab_size);

}  // namespace ember
