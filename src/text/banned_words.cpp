// SPDX-License-Identifier: Apache-2.0
#include "ember/text/banned_words.h"

#include <algorithm>

namespace ember {

Result<std::vector<std::vector<int32_t>>> banned_sequences(const Tokenizer& tokenizer,
                                                           std::span<const std::string> words) {
  std::vector<std::vector<int32_t>> sequences;
  for (const std::string& word : words) {
    const size_t first = std::min(word.find_first_not_of(' '), word.size());
    Result<std::vector<int32_t>> plain = tokenizer.encode(word, {.add_special_tokens = false});
    Result<std::vector<int32_t>> spaced =
        tokenizer.encode(" " + word.substr(first), {.add_special_tokens = false});
    if (!plain.ok() || !spaced.ok()) return (plain.ok() ? spaced : plain).error();
    const bool another = spaced.value() != plain.value();
    if (another && !spaced.value().empty()) sequences.push_back(std::move(spaced).value());
    if (!plain.value().empty()) sequences.push_back(std::move(plain).value());
  }
  return sequences;
}

void BannedWords::fill_mask(std::span<uint32_t> words) {
  if (inner_) {
    inner_->next_mask(output_, words);
  } else {
    std::fill(words.begin(), words.end(), 0u);
    for (int32_t id = 0; id < vocab_size_; ++id)
      words[static_cast<size_t>(id) / 32] |= 1u << (id % 32);
  }
  for (const std::vector<int32_t>& sequence : sequences_) {
    const size_t before = sequence.size() - 1;
    if (before > output_.size() || !std::equal(sequence.begin(), sequence.end() - 1,
                                               output_.end() - static_cast<long>(before)))
      continue;
    words[static_cast<size_t>(sequence.back()) / 32] &= ~(1u << (sequence.back() % 32));
  }
}

}  // namespace ember
