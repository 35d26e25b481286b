// SPDX-License-Identifier: Apache-2.0
#include "api/choice.h"

#include <algorithm>
#include <utility>

namespace ember {

namespace {

// Special tokens that the parsers must see are text.
std::vector<int32_t> shown_tokens(const Tokenizer& tokenizer, const ChatText::Options& text) {
  std::vector<int32_t> ids;
  for (const std::string& marker : markers_of(text))
    if (const auto id = tokenizer.token_to_id(marker)) ids.push_back(*id);
  return ids;
}

std::vector<std::string> joined(std::vector<std::string> list,
                                const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

const char* name_of(const Finish& finish) {
  return finish.reason == Finish::Reason::kLength ? "length" : "stop";
}

}  // namespace

Choice::Choice(const Tokenizer& tokenizer, std::span<const int32_t> prompt, const Options& options,
               TimePoint arrival)
    : index_(options.index),
      include_stop_(options.include_stop),
      told_stops_(options.stop),
      stop_token_ids_(options.stop_token_ids),
      detokenizer_(tokenizer, prompt, options.skip_special_tokens,
                   shown_tokens(tokenizer, options.text)),
      matcher_(joined(options.stop, options.silent_stop), options.include_stop),
      text_(options.text),
      num_prompt_tokens_(static_cast<int>(prompt.size())) {
  times_.arrival = arrival;
}

std::optional<AnswerEvent> Choice::take(const TokenOutput& output, ModelMetrics& metrics) {
  count(output, metrics);
  const StopMatcher::Match match = new_text(output, metrics);
  const bool first = !told_anything_;
  if (match.text.empty() && !finished() && (!first || output.token < 0)) return std::nullopt;
  if (text_.reasoning()) num_reasoning_tokens_ += num_tokens_ - num_read_;
  num_read_ = num_tokens_;
  AnswerEvent event{text_.push(match.text, finished())};
  called_ |= !event.calls.empty();
  if (event.empty() && !finished() && !first) return std::nullopt;
  told_anything_ = true;
  event.choice = index_;
  event.first = first;
  event.prompt_tokens = std::exchange(prompt_tokens_, {});
  event.tokens = std::exchange(tokens_, {});
  if (finish_ && finish_->reason == Finish::Reason::kStop && called_)
    finish_->reason = Finish::Reason::kToolCalls;
  event.finish = finish_;
  return event;
}

void Choice::count(const TokenOutput& output, ModelMetrics& metrics) {
  num_cached_tokens_ = output.num_cached_tokens;
  if (output.scheduled != TimePoint{}) times_.scheduled = output.scheduled;
  for (const SampledToken& t : output.prompt_logprobs)
    prompt_tokens_.push_back({t.token, t.logprob, t.token_rank, t.top});
  if (!prompt_counted_ && (output.token >= 0 || output.finish == FinishReason::kLength)) {
    prompt_counted_ = true;
    metrics.prompt_done(num_prompt_tokens_);
  }
  if (output.token < 0) return;
  const TimePoint now = Clock::now();
  ++num_tokens_;
  tokens_.push_back({output.token, output.logprob, output.token_rank, output.top_logprobs});
  metrics.token(times_, now);
  if (times_.first_token == TimePoint{}) times_.first_token = now;
  times_.last_token = now;
}

// The text that the output completes, up to a stop string. The token that stopped it is not part of
// the text, unless that was asked for.
StopMatcher::Match Choice::new_text(const TokenOutput& output, ModelMetrics& metrics) {
  const bool stopped = output.finish == FinishReason::kStop;
  std::string text;
  if (output.token >= 0 && (!stopped || include_stop_)) text = detokenizer_.push(output.token);
  if (output.finish != FinishReason::kNone) text += detokenizer_.finish();
  StopMatcher::Match match = matcher_.push(text);
  if (match.stop) {
    Finish finish;
    if (std::find(told_stops_.begin(), told_stops_.end(), *match.stop) != told_stops_.end())
      finish.stop = *match.stop;
    end(std::move(finish), metrics);
  } else if (output.finish != FinishReason::kNone) {
    match.text += matcher_.flush();
    Finish finish{.reason = stopped ? Finish::Reason::kStop : Finish::Reason::kLength, .stop = {}};
    if (stopped && std::find(stop_token_ids_.begin(), stop_token_ids_.end(), output.token) !=
                       stop_token_ids_.end())
      finish.stop = output.token;
    end(std::move(finish), metrics);
  }
  return match;
}

void Choice::end(Finish finish, ModelMetrics& metrics) {
  finish_ = std::move(finish);
  record_end(name_of(*finish_), metrics);
}

void Choice::give_up(const std::string& reason, ModelMetrics& metrics) {
  if (!finished()) record_end(reason, metrics);
}

void Choice::record_end(const std::string& reason, ModelMetrics& metrics) const {
  metrics.sequence_finished(reason, num_prompt_tokens_, num_tokens_, times_);
}

}  // namespace ember
