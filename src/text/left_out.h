// SPDX-License-Identifier: Apache-2.0
// Added tokens that a tokenizer goes without, because the model has no rows for their ids.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "ember/base/result.h"

namespace ember {

// Refuses to go without what begins or ends a text, which is among `names` (as
// Tokenizer::named_tokens() has them). Otherwise the log says how many tokens are left out.
Result<void> report_left_out(std::span<const std::string> left_out,
                             const std::map<std::string, std::string>& names, int32_t vocab_size);

}  // namespace ember
