// SPDX-License-Identifier: Apache-2.0
// Token ids to text as they come.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ember/text/tokenizer.h"

namespace ember {

// The pieces put together equal the tokenizer's decode() of all ids. Never returns part of a
// character: bytes that may become one are held back until they do or cannot any more.
class Detokenizer {
 public:
  // `prompt`: the ids before; a tokenizer that treats the beginning of a text specially needs the
  // last few of them. shown: special tokens that are not skipped.
  Detokenizer(const Tokenizer& tokenizer, std::span<const int32_t> prompt, bool skip_special_tokens,
              std::vector<int32_t> shown = {});

  // The text that `id` completes, perhaps none; none for an id outside the vocabulary.
  std::string push(int32_t id);
  // What is still held back, a broken character as U+FFFD. Nothing may be pushed afterwards.
  std::string finish();

 private:
  std::string push_shown(int32_t id);
  std::string push_bytes(int32_t id);
  std::string push_window(int32_t id);
  std::string window_text(size_t end) const;

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::vector<int32_t> shown_;
  std::string bytes_;            // byte level: the beginning of a character
  std::vector<int32_t> window_;  // otherwise: the ids whose text depends on each other
  size_t read_ = 0;              // of the window, how many have been given out
};

}  // namespace ember
