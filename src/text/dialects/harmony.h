// SPDX-License-Identifier: Apache-2.0
// The parts of the harmony dialect that answers without calls have too.
#pragma once

#include <string>

#include "ember/text/tokenizer.h"

namespace ember {

// What comes before the text of the final message, as a part of a rule. open: the answer begins
// inside the analysis.
std::string harmony_final(const Tokenizer& tokenizer, std::string& rules, bool open);

}  // namespace ember
