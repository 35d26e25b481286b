// SPDX-License-Identifier: Apache-2.0
// One sequence of an answer: from token events to text, with stop strings and log probabilities.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ember/scheduler/request.h"
#include "ember/server/metrics.h"
#include "ember/text/detokenizer.h"
#include "ember/text/stop_matcher.h"

namespace ember {

// A token with what is known of its probability.
struct TokenEntry {
  int32_t token = -1;
  float logprob = 0;
  int32_t rank = 0;
  std::vector<TokenLogprob> top;
};

class Choice {
 public:
  struct Options {
    bool skip_special_tokens = true;
    bool include_stop = false;
    std::vector<std::string> stop;
    std::vector<int32_t> shown_tokens;  // special tokens that are text all the same
  };
  Choice(const Tokenizer& tokenizer, std::span<const int32_t> prompt, const Options& options,
         TimePoint arrival);

  // What an event adds: text that may go out, the tokens behind it (perhaps more than those of this
  // event).
  struct Delta {
    std::string text;
    std::vector<TokenEntry> tokens;
    bool first = false;  // nothing came before
  };
  // nullopt: nothing to say yet. After a stop string finished() is true though the event was not
  // the last one.
  std::optional<Delta> take(const TokenOutput& event, ModelMetrics& metrics);

  bool finished() const { return !finish_reason_.empty(); }
  const std::string& finish_reason() const { return finish_reason_; }  // "stop" or "length"
  const std::optional<std::string>& stop_string() const { return stop_string_; }  // that ended it
  std::optional<int32_t> stop_token() const {
    return stop_token_;
  }  // other than an end-of-sequence token: see set_eos
  const std::string& text() const { return text_; }
  const std::vector<TokenEntry>& tokens() const { return tokens_; }
  const std::vector<TokenEntry>& prompt_tokens() const {
    return prompt_tokens_;
  }  // log probabilities from the second on
  int num_cached_tokens() const { return num_cached_tokens_; }
  int num_prompt_tokens() const { return num_prompt_tokens_; }
  // For the books, when it does not end by itself. reason: abort or error.
  void give_up(const std::string& reason, ModelMetrics& metrics);

 private:
  std::string text_of(const TokenOutput& event);
  void end(const std::string& reason, ModelMetrics& metrics);

  Detokenizer detokenizer_;
  StopMatcher matcher_;
  const bool include_stop_;
  const int num_prompt_tokens_;
  SequenceTimes times_;
  std::string text_, finish_reason_;
  std::optional<std::string> stop_string_;
  std::optional<int32_t> stop_token_;
  std::vector<TokenEntry> tokens_, prompt_tokens_;
  size_t num_told_ = 0;  // tokens that have gone out
  bool told_anything_ = false, prompt_counted_ = false;
  int num_cached_tokens_ = 0;
};

}  // namespace ember
