// SPDX-License-Identifier: Apache-2.0
// How long a step takes, learnt from the steps that have run.
#pragma once

namespace ember {

// What a step computes. Drafts count as decode tokens.
struct StepWork {
  int decode_tokens = 0;
  int prefill_tokens = 0;  // of prompts, and of what is computed again after a preemption
};

// seconds = per_step + per_decode_token * decode_tokens + per_prefill_token * prefill_tokens.
//
// Each observation scales the three terms by how wrong their sum was, each by its share of the sum
// (exponentiated gradient). So they stay positive, the unit does not matter, and they follow slow
// changes, e.g. attention that gets dearer with the context. The first step tells all three:
// a token costs the same in a prompt and in an answer, and the step itself as much as a few of
// them. One observation counts as at most twice, and at least half, of what was predicted: a
// machine that stalls once is no slow machine.
class StepCost {
 public:
  void learn(const StepWork& work, double seconds);
  // 0 until something has been learnt.
  double seconds(const StepWork& work) const;

  // Tokens of prompts that a step may compute beside decode_tokens, so that it takes about
  // target_seconds, or twice what it takes without them if that is more; at least one token. Any
  // number until something has been learnt.
  int prefill_tokens_within(double target_seconds, int decode_tokens) const;
  // What one more decode token costs, as a share of what each of decode_tokens costs now: near 0
  // where a step's time is the reading of weights, 1 where it is multiplying. 1 until something has
  // been learnt.
  double marginal_share(int decode_tokens) const;

 private:
  double per_step_ = 0, per_decode_token_ = 0, per_prefill_token_ = 0;
};

}  // namespace ember
