// SPDX-License-Identifier: Apache-2.0
// What turns text into ids and back: Hugging Face's library, or SentencePiece's algorithms.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ember/base/result.h"
#include "ember/text/tokenizer.h"

namespace ember {

// Immutable: every function may be called from any thread. The contracts are those of Tokenizer.
class TokenizerModel {
 public:
  virtual ~TokenizerModel() = default;

  // `text` is UTF-8.
  virtual Result<std::vector<int32_t>> encode(std::string_view text,
                                              Tokenizer::EncodeOptions options) const = 0;
  // The ids are in the vocabulary.
  virtual Result<std::string> decode(std::span<const int32_t> ids,
                                     bool skip_special_tokens) const = 0;
  // The largest id plus one.
  virtual size_t vocab_size() const = 0;
  // What it stands for in the middle of a text, as raw bytes; empty: there is no such token, or no
  // text becomes it.
  virtual std::string token_bytes(int32_t id) const = 0;
  virtual std::optional<int32_t> token_to_id(std::string_view token) const = 0;
  // Ascending.
  virtual std::vector<int32_t> special_ids() const = 0;
  // Of one of them.
  virtual Tokenizer::SpecialText special_text(int32_t id) const = 0;
};

}  // namespace ember
