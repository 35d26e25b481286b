// SPDX-License-Identifier: Apache-2.0
// tiktoken's vocabulary files.
#pragma once

#include <string_view>

#include "ember/base/result.h"
#include "ember/text/tokenizer_parts.h"

namespace ember {

inline constexpr size_t kMaxTiktokenBytes = 64 << 20;

// The file's text: a line "BASE64 RANK" for each token, whose rank is its id. Gives tokens, types
// (a rank that no line has is an unused token), merges and ignore_merges; how a text is split is
// not in the file. The error names the line.
Result<TokenizerParts> parse_tiktoken(std::string_view text);

}  // namespace ember
