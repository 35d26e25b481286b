// SPDX-License-Identifier: Apache-2.0
// A tokenizer that gives the ids of the sentencepiece library.
#pragma once

#include <memory>

#include "ember/text/tokenizer_parts.h"
#include "tokenizer_model.h"

namespace ember {

// Of SentencePiece's parts, whose ids are in the vocabulary. Special and added tokens cut a text
// before anything else is done to it, as transformers does it. The error says what is wrong.
Result<std::unique_ptr<const TokenizerModel>> make_sentencepiece_tokenizer(
    const TokenizerParts& parts);

}  // namespace ember
