// SPDX-License-Identifier: Apache-2.0
// How byte-level BPE vocabularies cut a text before they merge, by the names that GGUF files give
// it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ember {

struct PreTokenizer {
  std::vector<std::string> split_steps;  // as TokenizerParts has them
  bool ignore_merges = false;
  bool normalize_nfc = false;
  bool add_bos = false;  // where the file does not say
};

// Null: there is none of that name. Lasts as long as the program.
const PreTokenizer* find_pre_tokenizer(std::string_view name);

// All names, for messages.
std::string pre_tokenizer_names();

}  // namespace ember
