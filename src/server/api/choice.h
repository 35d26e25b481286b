// SPDX-License-Identifier: Apache-2.0
// One sequence of an answer: from the engine's tokens to the answer's events.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/answer_event.h"
#include "api/chat_text.h"
#include "ember/scheduler/request.h"
#include "ember/server/metrics.h"
#include "ember/text/detokenizer.h"
#include "ember/text/stop_matcher.h"

namespace ember {

// Used by one thread at a time.
class Choice {
 public:
  struct Options {
    size_t index = 0;  // of the choice in the answer
    bool skip_special_tokens = true;
    bool include_stop = false;  // what stops the answer is part of its text
    std::vector<std::string> stop = {};
    std::vector<std::string> silent_stop = {};  // stop strings that are not told
    std::vector<int32_t> stop_token_ids = {};   // told when they end it; others end it silently
    ChatText::Options text = {};                // by default all text is content
  };
  // The tokenizer must outlive it.
  Choice(const Tokenizer& tokenizer, std::span<const int32_t> prompt, const Options& options,
         TimePoint arrival);

  // What an output adds; nullopt: nothing to say yet, its token comes with a later event. After a
  // stop string finished() is true though the output was not the last one.
  std::optional<AnswerEvent> take(const TokenOutput& output, ModelMetrics& metrics);
  // Counts it when it does not end by itself. reason: abort or error.
  void give_up(const std::string& reason, ModelMetrics& metrics);

  bool finished() const { return finish_.has_value(); }
  int num_tokens() const { return num_tokens_; }
  int num_reasoning_tokens() const { return num_reasoning_tokens_; }
  int num_cached_tokens() const { return num_cached_tokens_; }
  int num_prompt_tokens() const { return num_prompt_tokens_; }

 private:
  void count(const TokenOutput& output, ModelMetrics& metrics);
  StopMatcher::Match new_text(const TokenOutput& output, ModelMetrics& metrics);
  void end(Finish finish, ModelMetrics& metrics);
  void record_end(const std::string& reason, ModelMetrics& metrics) const;

  const size_t index_;
  const bool include_stop_;
  const std::vector<std::string> told_stops_;
  const std::vector<int32_t> stop_token_ids_;
  Detokenizer detokenizer_;
  StopMatcher matcher_;
  ChatText text_;
  const int num_prompt_tokens_;
  int num_cached_tokens_ = 0, num_tokens_ = 0, num_reasoning_tokens_ = 0;
  int num_read_ = 0;  // tokens whose text has come out of the matcher
  SequenceTimes times_;
  std::optional<Finish> finish_;
  std::vector<TokenEntry> tokens_, prompt_tokens_;  // that no event has told yet
  bool told_anything_ = false, called_ = false, prompt_counted_ = false;
};

}  // namespace ember
