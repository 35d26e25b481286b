// SPDX-License-Identifier: Apache-2.0
#include "api/generation_answer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "api/finish_error.h"
#include "http/http_error.h"

namespace ember {

namespace {

constexpr int kClientGone = 499;  // nginx's number

bool is_answer(FinishReason reason) {
  return reason == FinishReason::kNone || reason == FinishReason::kStop ||
         reason == FinishReason::kLength;
}

}  // namespace

GenerationAnswer::GenerationAnswer(Options options, std::vector<Choice> choices,
                                   std::unique_ptr<AnswerWriter> writer, AnswerSink& sink,
                                   ModelMetrics& metrics, Ticket ticket)
    : options_(std::move(options)),
      choices_(std::move(choices)),
      writer_(std::move(writer)),
      sink_(sink),
      metrics_(metrics),
      ticket_(std::move(ticket)),
      whole_(choices_.size()) {}

void GenerationAnswer::start() {
  if (!options_.stream) return;
  status_ = 200;
  sink_.start(answer_start());
}

void GenerationAnswer::take(const TokenOutput& output, std::vector<RequestId>& cancels) {
  const size_t index = output.request_id - options_.first_request;
  if (finished_ || choices_[index].finished()) return;
  if (!is_answer(output.finish)) {
    for (size_t i = 0; i < choices_.size(); ++i)
      if (i != index && !choices_[i].finished()) cancels.push_back(options_.first_request + i);
    return fail(error_of(output.finish));
  }
  std::optional<AnswerEvent> event = choices_[index].take(output, metrics_);
  if (choices_[index].finished() && output.finish == FinishReason::kNone)
    cancels.push_back(output.request_id);
  if (event) add(std::move(*event));
  if (std::all_of(choices_.begin(), choices_.end(), [](const Choice& c) { return c.finished(); }))
    finish();
}

void GenerationAnswer::add(AnswerEvent event) {
  if (!options_.stream) return whole_[event.choice].append(std::move(event));
  const Usage so_far = usage();
  std::string payload;
  if (!std::exchange(begun_, true)) writer_->begin(so_far, payload);
  writer_->event(event, so_far, payload);
  send(payload);
}

void GenerationAnswer::finish() {
  finished_ = true;
  status_ = 200;
  options_.on_finished(status_);
  std::string payload;
  if (options_.stream) {
    writer_->end(usage(), payload);
  } else {
    sink_.start(answer_start());
    payload = writer_->whole(whole_, usage());
  }
  send(payload);
  sink_.end(true);
}

void GenerationAnswer::fail(const Error& error) {
  if (finished_) return;
  give_up("error");
  const int status = http_status(error.kind);
  options_.on_finished(status);
  std::string payload;
  if (options_.stream) {  // its status is out: the error is the last event
    writer_->fail(error, payload);
  } else {
    status_ = status;
    AnswerSink::Start start{.status = status};
    // An aborted request shall not come back by itself: the clients of OpenAI and Anthropic obey
    // this header.
    if (error.code == "aborted")
      start.headers = {{"x-should-retry", "false"}};
    else if (status == 503)
      start.headers = {{"Retry-After", std::to_string(options_.retry_after())}};
    sink_.start(start);
    payload = writer_->error(error);
  }
  send(payload);
  sink_.end(false);
}

void GenerationAnswer::abandon() {
  if (finished_) return;
  give_up("abort");
  options_.on_finished(kClientGone);
}

void GenerationAnswer::keep_alive() {
  if (!options_.stream || finished_) return;
  std::string payload;
  writer_->keep_alive(payload);
  send(payload);
}

void GenerationAnswer::give_up(const std::string& reason) {
  finished_ = true;
  for (Choice& choice : choices_) choice.give_up(reason, metrics_);
}

AnswerSink::Start GenerationAnswer::answer_start() const {
  AnswerSink::Start start{.stream = options_.stream};
  if (!options_.ignored.empty())
    start.headers.emplace_back("X-Ember-Ignored",
                               fmt::format("{}", fmt::join(options_.ignored, ", ")));
  return start;
}

Usage GenerationAnswer::usage() const {
  Usage usage;
  int64_t reasoning = 0;
  for (size_t i = 0; i < choices_.size(); ++i) {
    usage.completion_tokens += choices_[i].num_tokens();
    reasoning += choices_[i].num_reasoning_tokens();
    if (i % options_.choices_per_prompt != 0) continue;
    usage.prompt_tokens += choices_[i].num_prompt_tokens();
    usage.cached_tokens += choices_[i].num_cached_tokens();
  }
  if (options_.reasoning_counted) usage.reasoning_tokens = reasoning;
  return usage;
}

void GenerationAnswer::send(const std::string& payload) {
  if (!payload.empty()) sink_.write(payload);
}

}  // namespace ember
