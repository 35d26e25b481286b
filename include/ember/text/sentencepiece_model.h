// SPDX-License-Identifier: Apache-2.0
// SentencePiece's model files.
#pragma once

#include <string_view>

#include "ember/base/result.h"
#include "ember/text/tokenizer_parts.h"

namespace ember {

inline constexpr size_t kMaxSentencePieceBytes = 64 << 20;

// The file's bytes: a protobuf (ModelProto of sentencepiece_model.proto), of which unknown fields
// are skipped. bos and eos are set where the file has them as control pieces; neither is added.
// Refused as the library refuses it: no piece or two for what is unknown, not all bytes. The error
// says what is wrong, not in which file.
Result<TokenizerParts> parse_sentencepiece(std::string_view bytes);

}  // namespace ember
