// SPDX-License-Identifier: Apache-2.0
// The tokenizer and the chat template that a GGUF file holds.
#pragma once

#include <memory>

#include "ember/model/gguf_metadata.h"
#include "ember/text/chat_template.h"
#include "ember/text/tokenizer.h"

namespace ember {

// All throw StartError(kBadModel): one line with file and key.

// Of the tokenizer.json that the file holds as tokenizer.huggingface.json, else of its parts.
// vocab_size: as Tokenizer::load has it.
std::unique_ptr<Tokenizer> gguf_tokenizer(const GgufMetadata& metadata, int32_t vocab_size);

TokenizerParts gguf_tokenizer_parts(const GgufMetadata& metadata);

// Null: the file has none. `tokenizer` must outlive the result.
std::unique_ptr<ChatTemplate> gguf_chat_template(const GgufMetadata& metadata,
                                                 const Tokenizer& tokenizer);

}  // namespace ember
