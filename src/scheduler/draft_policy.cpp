// SPDX-License-Identifier: Apache-2.0
#include "ember/scheduler/draft_policy.h"

#include <algorithm>

namespace ember {

namespace {

constexpr double kDecay = 0.1;  // weight of the newest draft in the mean
constexpr int kMisses = 3, kPause = 16;
constexpr double kMargin = 1.1;      // by which a draft must be worth more than it costs
constexpr double kAfterPause = 0.5;  // another try is worth something

}  // namespace

int DraftPolicy::num_drafts(double marginal_share, int most) const {
  if (pause_ > 0) return 0;
  double likely = acceptance_;  // that the next one is accepted, with all before it
  int n = 0;
  for (; n < most && likely >= kMargin * marginal_share; ++n) likely *= acceptance_;
  return n;
}

void DraftPolicy::count(int num_drafts, int num_accepted) {
  if (pause_ > 0) {
    --pause_;
    return;
  }
  for (int i = 0; i < num_accepted; ++i) acceptance_ += kDecay * (1 - acceptance_);
  if (num_accepted < num_drafts) acceptance_ -= kDecay * acceptance_;
  num_misses_ = num_accepted > 0 ? 0 : num_misses_ + 1;
  if (num_misses_ < kMisses) return;
  num_misses_ = 0;
  pause_ = kPause;
  acceptance_ = std::max(acceptance_, kAfterPause);
}

}  // namespace ember
