// SPDX-License-Identifier: Apache-2.0
// What an answer consists of, whichever API asked for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/chat_text.h"
#include "ember/base/sampling.h"

namespace ember {

// A token with what is known of its probability.
struct TokenEntry {
  int32_t token = -1;
  float logprob = 0;
  int32_t token_rank = 0;              // 1: the most likely
  std::vector<TokenLogprob> top = {};  // the most likely ones, when they were asked for
};

// Why a choice has ended.
struct Finish {
  enum class Reason : uint8_t { kStop, kLength, kToolCalls };
  Reason reason = Reason::kStop;
  // The stop string that ended it, or the token among the request's stop_token_ids that did.
  std::variant<std::monostate, std::string, int32_t> stop = {};
};

// What is added to one choice of an answer. `content` is its text: of a completion all of it.
struct AnswerEvent : ChatParts {
  size_t choice = 0;
  bool first = false;  // nothing of this choice came before
  // In the first event, when they were asked for: the prompt's tokens from the second on.
  std::vector<TokenEntry> prompt_tokens = {};
  std::vector<TokenEntry> tokens = {};  // those behind the text, also where it is still held back
  std::optional<Finish> finish = {};    // nullopt: the choice goes on

  // Adds the event that follows. All events of a choice together are the whole choice.
  void append(AnswerEvent next);
};

// Tokens of all choices so far. A prompt counts once, however many choices continue it.
struct Usage {
  int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
  std::optional<int64_t> reasoning_tokens = {};  // nullopt: reasoning is not told from content
};

}  // namespace ember
