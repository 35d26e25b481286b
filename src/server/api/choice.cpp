// SPDX-License-Identifier: Apache-2.0
#include "api/choice.h"

namespace ember {

Choice::Choice(const Tokenizer& tokenizer, std::span<const int32_t> prompt, const Options& options,
               TimePoint arrival)
    : detokenizer_(tokenizer, prompt, options.skip_special_tokens, options.shown_tokens),
      matcher_(options.stop, options.include_stop),
      include_stop_(options.include_stop),
      num_prompt_tokens_(static_cast<int>(prompt.size())) {
  times_.arrival = arrival;
}

// The text that the event completes. The token that stopped it is not part of the text, unless that
// was asked for.
std::string Choice::text_of(const TokenOutput& event) {
  std::string text;
  if (event.token >= 0 && (event.finish != FinishReason::kStop || include_stop_))
    text = detokenizer_.push(event.token);
  if (event.finish != FinishReason::kNone) text += detokenizer_.finish();
  return text;
}

std::optional<Choice::Delta> Choice::take(const TokenOutput& event, ModelMetrics& metrics) {
  const TimePoint now = Clock::now();
  num_cached_tokens_ = event.num_cached_tokens;
  if (event.scheduled != TimePoint{}) times_.scheduled = event.scheduled;
  for (const SampledToken& t : event.prompt_logprobs)
    prompt_tokens_.push_back({t.token, t.logprob, t.token_rank, t.top});
  if (!prompt_counted_ && (event.token >= 0 || event.finish == FinishReason::kLength)) {
    prompt_counted_ = true;
    metrics.prompt_done(num_prompt_tokens_);
  }
  if (event.token >= 0) {
    tokens_.push_back({event.token, event.logprob, event.token_rank, event.top_logprobs});
    metrics.token(times_, now);
    if (times_.first_token == TimePoint{}) times_.first_token = now;
    times_.last_token = now;
  }
  StopMatcher::Match match = matcher_.push(text_of(event));
  if (match.stop) {
    stop_string_ = match.stop;
    end("stop", metrics);
  } else if (event.finish != FinishReason::kNone) {
    match.text += matcher_.flush();
    if (event.finish == FinishReason::kStop) stop_token_ = event.token;
    end(event.finish == FinishReason::kStop ? "stop" : "length", metrics);
  }
  text_ += match.text;
  if (match.text.empty() && !finished() && (told_anything_ || event.token < 0)) return std::nullopt;
  Delta delta{.text = std::move(match.text),
              .tokens = {tokens_.begin() + static_cast<long>(num_told_), tokens_.end()},
              .first = !told_anything_};
  num_told_ = tokens_.size();
  told_anything_ = true;
  return delta;
}

void Choice::end(const std::string& reason, ModelMetrics& metrics) {
  finish_reason_ = reason;
  metrics.sequence_finished(reason, num_prompt_tokens_, static_cast<int>(tokens_.size()), times_);
}

void Choice::give_up(const std::string& reason, ModelMetrics& metrics) {
  if (finished()) return;
  metrics.sequence_finished(reason, num_prompt_tokens_, static_cast<int>(tokens_.size()), times_);
}

}  // namespace ember
