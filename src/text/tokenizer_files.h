// SPDX-License-Identifier: Apache-2.0
// Tokenizers in other files than a tokenizer.json.
#pragma once

#include <filesystem>

#include "ember/base/result.h"
#include "ember/text/tokenizer_parts.h"

namespace ember {

// Of a SentencePiece model or a tiktoken file (its content tells which), and what
// tokenizer_config.json, added_tokens.json and special_tokens_map.json beside it say. The code that
// may come with a model is not run: what the known classes of tokenizers do is written down here,
// and others are refused by name. The error names the file.
Result<TokenizerParts> read_tokenizer_parts(const std::filesystem::path& file);

}  // namespace ember
