// SPDX-License-Identifier: Apache-2.0
#include "ember/scheduler/step_cost.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ember {

namespace {

constexpr double kRate = 0.6;  // of an observation's error that is learnt
constexpr double kLargestError = 2;
// What a step costs without its tokens, in tokens, until steps of several sizes have told: that of
// the CPU. Too high, and the first prompt beside answers would stall them.
constexpr double kFirstStepTokens = 8;

}  // namespace

void StepCost::learn(const StepWork& work, double seconds) {
  if (!(seconds > 0) || work.decode_tokens + work.prefill_tokens == 0) return;
  if (per_step_ == 0) {
    per_decode_token_ = per_prefill_token_ =
        seconds / (kFirstStepTokens + work.decode_tokens + work.prefill_tokens);
    per_step_ = kFirstStepTokens * per_decode_token_;
  }
  const double predicted = this->seconds(work);
  const double error = std::clamp(seconds / predicted, 1 / kLargestError, kLargestError);
  const auto adjust = [&](double& term, double count) {
    term *= std::pow(error, kRate * term * count / predicted);
  };
  adjust(per_step_, 1);
  adjust(per_decode_token_, work.decode_tokens);
  adjust(per_prefill_token_, work.prefill_tokens);
}

double StepCost::seconds(const StepWork& work) const {
  return per_step_ + per_decode_token_ * work.decode_tokens +
         per_prefill_token_ * work.prefill_tokens;
}

int StepCost::prefill_tokens_within(double target_seconds, int decode_tokens) const {
  constexpr int kAny = std::numeric_limits<int>::max();
  if (per_step_ == 0) return kAny;
  const double decodes = seconds({.decode_tokens = decode_tokens});
  const double left = std::max(target_seconds - decodes, decodes);
  const double tokens = left / per_prefill_token_;
  return tokens >= kAny ? kAny : std::max(1, static_cast<int>(tokens));
}

double StepCost::marginal_share(int decode_tokens) const {
  if (per_step_ == 0) return 1;
  return per_decode_token_ * decode_tokens / seconds({.decode_tokens = decode_tokens});
}

}  // namespace ember
