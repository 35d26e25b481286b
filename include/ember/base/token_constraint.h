// SPDX-License-Identifier: Apache-2.0
// Masks over the vocabulary that keep an answer in a format.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace ember {

// One sequence owns it, and it follows that sequence's tokens. One thread uses it at a time, not
// always the same one. A preempted sequence computes tokens again; each token is accepted once.
class TokenConstraint {
 public:
  enum class State : uint8_t {
    kOpen,    // more tokens may follow
    kDone,    // the answer is complete and ended
    kFailed,  // a token was not allowed, or what may follow cannot be found out within the limits
  };

  virtual ~TokenConstraint() = default;

  // Sets bit i % 32 of word i / 32 when id i may follow `output`, which holds all tokens of the
  // answer so far. Clears the bits of ids that do not exist; clears all bits unless the state is
  // kOpen.
  void next_mask(std::span<const int32_t> output, std::span<uint32_t> words) {
    for (; num_accepted_ < output.size() && state() == State::kOpen; ++num_accepted_)
      accept(output[num_accepted_]);
    if (state() == State::kOpen) fill_mask(words);
    if (state() != State::kOpen) std::fill(words.begin(), words.end(), 0u);
  }

  // The state after the last next_mask().
  virtual State state() const = 0;

 private:
  // Both are called in state kOpen only. An error sets the state to kFailed.
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
