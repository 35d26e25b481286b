// SPDX-License-Identifier: Apache-2.0
#include "api/generation_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "admin/retry_after.h"
#include "api/error_answer.h"
#include "ember/text/utf8.h"
#include "http/http_error.h"

namespace ember {

namespace {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// An end that is not an answer.
Error error_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::kQueueTimeout:
      return {ErrorKind::kUnavailable, "The request waited too long for its turn.", "",
              "queue_timeout"};
    case FinishReason::kDeadline:
      return {ErrorKind::kTimeout, "The request was not finished in time.", "",
              "deadline_exceeded"};
    case FinishReason::kNumericalError:
      return {ErrorKind::kInternal, "The model's output is not a number.", "", "numerical_error"};
    case FinishReason::kConstraintFailed:
      return {ErrorKind::kInvalid,
              "The answer cannot be continued within the requested format: the format is too "
              "complex at this point.",
              "", "grammar_error"};
    case FinishReason::kCancelled:
      return {ErrorKind::kUnavailable, "The request was aborted by an operator.", "", "aborted"};
    default:
      return {ErrorKind::kUnavailable, "The engine failed.", "", "engine_failed"};
  }
}

}  // namespace

float json_logprob(float logprob) { return std::max(logprob, -9999.0f); }

GenerationAnswer::GenerationAnswer(AnswerSpec spec) : spec_(std::move(spec)) {
  const GenerationParams& params = spec_.params;
  Choice::Options options{
      params.skip_special_tokens, params.include_stop_str_in_output, params.stop, {}};
  for (const std::string& marker : markers_of(spec_.chat_text))
    if (const auto id = spec_.tokenizer->token_to_id(marker)) options.shown_tokens.push_back(*id);
  for (const std::vector<int32_t>& prompt : spec_.prompts)
    for (int i = 0; i < params.n; ++i)
      choices_.emplace_back(*spec_.tokenizer, prompt, options, spec_.arrival);
}

void GenerationAnswer::start(std::string& out) {
  if (!spec_.params.stream) return;
  status_ = 200;
  out += stream_head(spec_.head);
}

void GenerationAnswer::on_event(const TokenOutput& event, std::string& out,
                                std::vector<RequestId>& cancels) {
  const size_t index = event.request_id - spec_.first_request;
  if (finished_ || choices_[index].finished()) return;
  const bool good = event.finish == FinishReason::kNone || event.finish == FinishReason::kStop ||
                    event.finish == FinishReason::kLength;
  if (!good) {
    for (size_t i = 0; i < choices_.size(); ++i)
      if (i != index && !choices_[i].finished()) cancels.push_back(spec_.first_request + i);
    return fail(error_of(event.finish), out);
  }
  const std::optional<Choice::Delta> delta = choices_[index].take(event, *spec_.metrics);
  if (choices_[index].finished() && event.finish == FinishReason::kNone)
    cancels.push_back(event.request_id);
  if (delta) on_delta(index, *delta);
  if (delta && spec_.params.stream) send_chunk(index, *delta, out);
  if (std::all_of(choices_.begin(), choices_.end(), [](const Choice& c) { return c.finished(); }))
    finish(out);
}

void GenerationAnswer::send_chunk(size_t index, const Choice::Delta& delta, std::string& out) {
  Json piece = chunk_choice(index, delta);
  if (piece.is_null()) return;
  Json chunk = envelope(true);
  chunk["choices"] = Json::array({std::move(piece)});
  add_to_body(chunk, true);
  if (spec_.params.continuous_usage_stats)
    chunk["usage"] = usage();
  else if (spec_.params.include_usage)
    chunk["usage"] = nullptr;
  send_event(chunk, out);
}

void GenerationAnswer::finish(std::string& out) {
  finished_ = true;
  status_ = 200;
  ended(status_);
  if (!spec_.params.stream) {
    Json body = envelope(false);
    Json& list = body["choices"] = Json::array();
    for (size_t i = 0; i < choices_.size(); ++i) list.push_back(whole_choice(i));
    body["usage"] = usage();
    add_to_body(body, false);
    out += json_answer(200, spec_.head, dump(spec_.format ? spec_.format->whole(body) : body));
    return;
  }
  if (spec_.params.include_usage) {
    Json chunk = envelope(true);
    chunk["choices"] = Json::array();
    chunk["usage"] = usage();
    send_event(chunk, out);
  }
  send_events(spec_.format ? spec_.format->end() : "data: [DONE]\n\n", out);
  out += stream_end(spec_.head);
}

void GenerationAnswer::fail(const Error& error, std::string& out) {
  if (finished_) return;
  finished_ = true;
  for (Choice& choice : choices_) choice.give_up("error", *spec_.metrics);
  const int status = http_status(error.kind);
  ended(status);
  const bool begun = status_ != 0;
  if (!begun) {
    status_ = status;
    // An aborted request shall not come back by itself: the clients of OpenAI and Anthropic obey
    // this header.
    const std::string again =
        error.code == "aborted" ? "x-should-retry: false\r\n"
        : status == 503 ? fmt::format("Retry-After: {}\r\n", retry_after_now(*spec_.context))
                        : "";
    out += json_answer(status, spec_.head, error_body_for(spec_.path, error), again);
    return;
  }
  // The status is out: the error is the stream's last event, and no [DONE] follows it.
  spec_.head.keep_connection = false;
  send_events(spec_.format ? spec_.format->error(error) : "data: " + error_body(error) + "\n\n",
              out);
  out += stream_end(spec_.head);
}

void GenerationAnswer::on_disconnect() {
  if (finished_) return;
  finished_ = true;
  ended(499);
  for (Choice& choice : choices_) choice.give_up("abort", *spec_.metrics);
}

void GenerationAnswer::keep_alive(std::string& out) {
  if (spec_.params.stream && !finished_)
    send_events(spec_.format ? spec_.format->keep_alive() : ": keep-alive\n\n", out);
}

Json GenerationAnswer::envelope(bool chunk) const {
  return {{"id", spec_.id},
          {"object", object(chunk)},
          {"created", spec_.created},
          {"model", spec_.model}};
}

Json GenerationAnswer::usage() const {
  int64_t prompt_tokens = 0, cached = 0, output = 0;
  for (size_t i = 0; i < choices_.size(); ++i) {
    output += static_cast<int64_t>(choices_[i].tokens().size());
    if (i % static_cast<size_t>(spec_.params.n) != 0) continue;
    prompt_tokens += choices_[i].num_prompt_tokens();
    cached += choices_[i].num_cached_tokens();
  }
  Json json = {{"prompt_tokens", prompt_tokens},
               {"completion_tokens", output},
               {"total_tokens", prompt_tokens + output},
               {"prompt_tokens_details", {{"cached_tokens", cached}}}};
  add_to_usage(json);
  return json;
}

void GenerationAnswer::send_event(const Json& json, std::string& out) const {
  send_events(spec_.format ? spec_.format->chunk(json) : "data: " + dump(json) + "\n\n", out);
}

void GenerationAnswer::send_events(const std::string& events, std::string& out) const {
  if (!events.empty())
    out += stream_piece(spec_.head, events);  // an empty piece would end the stream
}

void GenerationAnswer::ended(int status) {
  spec_.metrics->answered(status);
  spec_.context->requests.end(spec_.first_request, status, Clock::now());
}

Json GenerationAnswer::stop_reason(size_t index) {
  const Choice& c = choices_[index];
  if (c.stop_string()) return *c.stop_string();
  const auto& asked = spec_.params.stop_token_ids;
  if (c.stop_token() && std::find(asked.begin(), asked.end(), *c.stop_token()) != asked.end())
    return *c.stop_token();
  return nullptr;
}

std::string GenerationAnswer::token_text(int32_t token) const {
  return to_valid_utf8(spec_.tokenizer->token_bytes(token));
}

Json GenerationAnswer::prompt_logprobs(size_t index) {
  Json list = Json::array({nullptr});
  for (const TokenEntry& entry : choices_[index].prompt_tokens()) {
    Json position = Json::object();
    const size_t num_top =
        std::min(entry.top.size(), static_cast<size_t>(spec_.params.prompt_logprobs.value_or(0)));
    for (size_t i = 0; i < num_top; ++i)
      position[std::to_string(entry.top[i].token)] = {
          {"logprob", json_logprob(entry.top[i].logprob)},
          {"rank", i + 1},
          {"decoded_token", token_text(entry.top[i].token)}};
    position[std::to_string(entry.token)] = {{"logprob", json_logprob(entry.logprob)},
                                             {"rank", entry.rank},
                                             {"decoded_token", token_text(entry.token)}};
    list.push_back(std::move(position));
  }
  return list;
}

}  // namespace ember
