// SPDX-License-Identifier: Apache-2.0
// A constraint made of lists: what may come first, second, and so on.
#pragma once

#include <utility>
#include <vector>

#include "ember/base/token_constraint.h"

namespace ember {

class ScriptedConstraint final : public TokenConstraint {
 public:
  using Ids = std::vector<int32_t>;
  // After the last list the answer is complete.
  explicit ScriptedConstraint(std::vector<Ids> allowed) : allowed_(std::move(allowed)) {}

  State state() const override {
    return failed_ ? State::kFailed : at_ == allowed_.size() ? State::kDone : State::kOpen;
  }
  size_t num_accepted() const { return at_; }

 private:
  void accept(int32_t token) override {
    const Ids& ids = allowed_[at_];
    if (std::find(ids.begin(), ids.end(), token) == ids.end())
      failed_ = true;
    else
      ++at_;
  }
  void fill_mask(std::span<uint32_t> words) override {
    std::fill(words.begin(), words.end(), 0u);
    for (const int32_t id : allowed_[at_]) words[static_cast<size_t>(id) / 32] |= 1u << (id % 32);
  }

  const std::vector<Ids> allowed_;
  size_t at_ = 0;
  bool failed_ = false;
};

// Starts copies of a constraint as it is given.
template <class Constraint>
class CopyingSource final : public ConstraintSource {
 public:
  explicit CopyingSource(Constraint original = Constraint()) : original_(std::move(original)) {}
  std::unique_ptr<TokenConstraint> start() const override {
    return std::make_unique<Constraint>(original_);
  }

 private:
  const Constraint original_;
};

inline std::shared_ptr<const ConstraintSource> scripted(
    std::vector<ScriptedConstraint::Ids> allowed) {
  return std::make_shared<CopyingSource<ScriptedConstraint>>(
      ScriptedConstraint(std::move(allowed)));
}

}  // namespace ember
