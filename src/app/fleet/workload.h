// SPDX-License-Identifier: Apache-2.0
// The conversations that a simulated fleet answers.
#pragma once

#include <cstdint>
#include <vector>

#include "ember/base/random.h"

namespace ember {

enum class WorkloadKind {
  kChat,    // conversations; each begins with one of 2,000 system prompts and grows
  kUnique,  // single prompts that have nothing in common
  kBursts,  // chat whose conversations begin five times as often for 10 s, every 50 s on average
};

// What a client says next, in tokens.
struct Conversation {
  uint64_t id = 0;
  uint64_t system = 0;                       // which system prompt
  int system_tokens = 0;                     // of it; 0: none
  int prompt_tokens = 0, output_tokens = 0;  // of the turn that is asked
  int turns_left = 0;                        // after this one
  Random random{0};
};

// Conversations are the same for the same seed, whatever becomes of them. Lengths of messages are
// lognormal, of answers Pareto (1.5, at most 4,096), turns geometric, times exponential.
class Workload {
 public:
  // rate: requests a second on average, once conversations begin as often as they end.
  Workload(WorkloadKind kind, double rate, uint64_t seed);

  // Seconds until the next conversation begins, after the one before.
  double next_gap();
  Conversation next_conversation();
  // Goes on with the next turn: the prompt is the one before, its answer and a new message. False:
  // it has ended.
  bool next_turn(Conversation& conversation) const;
  // Seconds from an answer to the next message.
  double think_time(Conversation& conversation) const;
  // Names of the beginnings of the first `tokens` tokens of a conversation, see PrefixIndex.
  static std::vector<uint64_t> names(const Conversation& conversation, int tokens);

 private:
  uint64_t draw_system(Random& random) const;

  const WorkloadKind kind_;
  const double rate_;  // conversations a second
  const uint64_t seed_;
  uint64_t num_conversations_ = 0;
  Random arrivals_;
  bool burst_ = false;
  double until_change_ = 0;            // seconds until a burst begins or ends
  std::vector<double> system_shares_;  // cumulative
};

}  // namespace ember
