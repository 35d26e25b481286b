// SPDX-License-Identifier: Apache-2.0
// Tokenizers of Hugging Face's library.
#pragma once

#include "ember/text/tokenizer_parts.h"
#include "tokenizer_model.h"

namespace ember {

// Of a tokenizer.json's text.
Result<std::unique_ptr<const TokenizerModel>> load_hf_tokenizer(std::string_view json);
// Of byte-level BPE's parts, whose ids are in the vocabulary.
Result<std::unique_ptr<const TokenizerModel>> build_hf_tokenizer(const TokenizerParts& parts);

}  // namespace ember
