// SPDX-License-Identifier: Apache-2.0
// What limits the tokens of one answer to a format, as the engine sees it: masks over the
// vocabulary.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace ember {

// Belongs to one sequence and follows its tokens. Used by one thread at a time, not always the
// same. A step that computes the same tokens again (after a preemption) changes nothing: a token is
// accepted once.
class TokenConstraint {
 public:
  enum class State : uint8_t {
    kOpen,    // more tokens may follow
    kDone,    // the answer is complete and ended
    kFailed,  // a token was not allowed, or what may follow cannot be found out within the limits
  };

  virtual ~TokenConstraint() = default;

  // What may follow `output`, all tokens of the answer so far: bit i % 32 of word i / 32 is set
  // when id i may come next. Ids that do not exist, and all ids unless the state is kOpen, are
  // cleared.
  void next_mask(std::span<const int32_t> output, std::span<uint32_t> words) {
    for (; num_accepted_ < output.size() && state() == State::kOpen; ++num_accepted_)
      accept(output[num_accepted_]);
    if (state() == State::kOpen) fill_mask(words);
    if (state() != State::kOpen) std::fill(words.begin(), words.end(), 0u);
  }

  // As of the last next_mask.
  virtual State state() const = 0;

 private:
  // Called in state kOpen only; a fault becomes kFailed.
  virtual void accept(int32_t token) = 0;
  virtual void fill_mask(std::span<uint32_t> words) = 0;

  size_t num_accepted_ = 0;
};

// What a request asks for: it starts the constraint of one answer, as often as the request is begun
// or taken up again. Immutable: any thread may call it.
class ConstraintSource {
 public:
  virtual ~ConstraintSource() = default;
  // At the beginning of an answer.
  virtual std::unique_ptr<TokenConstraint> start() const = 0;
};

}  // namespace ember
