// SPDX-License-Identifier: Apache-2.0
// Tokenizers of Hugging Face's library.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "added_tokens.h"
#include "tokenizer_model.h"

namespace ember {

// How a vocabulary spells bytes.
enum class TokenForm : uint8_t { kPlain, kByteLevel, kMetaspace };

// Of a tokenizer.json's text, with further added tokens, and without those whose ids are not below
// `limit`: left_out becomes their texts.
Result<std::unique_ptr<const TokenizerModel>> load_hf_tokenizer(std::string_view json,
                                                                TokenForm form,
                                                                std::span<const AddedToken> added,
                                                                int32_t limit,
                                                                std::vector<std::string>& left_out);
// Of byte-level BPE's parts, whose ids are in the vocabulary.
Result<std::unique_ptr<const TokenizerModel>> build_hf_tokenizer(const TokenizerParts& parts);

}  // namespace ember
