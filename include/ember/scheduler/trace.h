// SPDX-License-Identifier: Apache-2.0
// Where a sequence stands and what held it up, by value: for people who ask why a request is slow.
#pragma once

#include <cstdint>

#include "ember/base/clock.h"

namespace ember {

enum class SequencePhase : uint8_t { kQueued, kPrefill, kDecode, kEnded };

// What the head of the queue lacks.
enum class WaitReason : uint8_t { kSlot, kStepTokens, kBlocks };
inline constexpr int kNumWaitReasons = 3;

struct SequenceTrace {
  uint64_t id = 0;  // of its request
  SequencePhase phase = SequencePhase::kQueued;
  int num_prompt_tokens = 0;
  int num_cached_tokens = 0;    // of the prompt, found in the prefix cache when it first ran
  int num_computed_tokens = 0;  // K and V in the cache
  int num_output_tokens = 0;
  int max_tokens = 0;  // of output
  int num_blocks = 0;

  int num_running_before = 0;  // when it was submitted
  int num_waiting_before = 0;
  int num_steps = 0;   // that computed some of it
  int num_chunks = 0;  // of them, those that computed some of its prompt, after a preemption again
  int num_preemptions = 0;
  int num_steps_waited[kNumWaitReasons] =
      {};  // steps that went by while it was first in the queue, by what it lacked

  TimePoint arrival{}, scheduled{}, first_decode{};  // submitted; first in a step; first in a step
                                                     // after its prompt. TimePoint{}: not yet
};

}  // namespace ember
