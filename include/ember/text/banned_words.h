// SPDX-License-Identifier: Apache-2.0
// "bad_words": sequences of tokens that an answer must not contain.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ember/base/token_constraint.h"
#include "ember/text/tokenizer.h"

namespace ember {

// The token sequences of `words`. A word has one sequence as it is and one with a space before it,
// if they differ.
Result<std::vector<std::vector<int32_t>>> banned_sequences(const Tokenizer& tokenizer,
                                                           std::span<const std::string> words);

// Forbids the last token of a sequence when the answer so far ends with the tokens before it. All
// other tokens are up to `inner`; without one they are allowed.
class BannedWords final : public TokenConstraint {
 public:
  BannedWords(std::vector<std::vector<int32_t>> sequences, int32_t vocab_size,
              std::unique_ptr<TokenConstraint> inner)
      : sequences_(std::move(sequences)), vocab_size_(vocab_size), inner_(std::move(inner)) {}

  State state() const override { return inner_ ? inner_->state() : State::kOpen; }

 private:
  void accept(int32_t token) override { output_.push_back(token); }
  void fill_mask(std::span<uint32_t> words) override;

  const std::vector<std::vector<int32_t>> sequences_;
  const int32_t vocab_size_;
  const std::unique_ptr<TokenConstraint> inner_;
  std::vector<int32_t> output_;
};

// The same for a request; inner as above.
class BannedWordsSource final : public ConstraintSource {
 public:
  BannedWordsSource(std::vector<std::vector<int32_t>> sequences, int32_t vocab_size,
                    std::shared_ptr<const ConstraintSource> inner)
      : sequences_(std::move(sequences)), vocab_size_(vocab_size), inner_(std::move(inner)) {}

  std::unique_ptr<TokenConstraint> start() const override {
    return std::make_unique<BannedWords>(sequences_, vocab_size_,
                                         inner_ ? inner_->start() : nullptr);
  }

 private:
  const std::vector<std::vector<int32_t>> sequences_;
  const int32_t vocab_size_;
  const std::shared_ptr<const ConstraintSource> inner_;
};

}  // namespace ember
