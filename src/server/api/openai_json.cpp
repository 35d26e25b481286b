// SPDX-License-Identifier: Apache-2.0
#include "api/openai_json.h"

#include <algorithm>

#include "ember/text/utf8.h"
#include "http/http_error.h"

namespace ember {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string data_event(const Json& json) { return "data: " + dump(json) + "\n\n"; }

std::string typed_event(const Json& json) {
  return "event: " + json["type"].get_ref<const std::string&>() + "\n" + data_event(json);
}

Json envelope(const AnswerName& name, const char* object) {
  return {{"id", name.id}, {"object", object}, {"created", name.created}, {"model", name.model}};
}

Json usage_json(const Usage& usage) {
  Json json = {{"prompt_tokens", usage.prompt_tokens},
               {"completion_tokens", usage.completion_tokens},
               {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
               {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
  if (usage.reasoning_tokens)
    json["completion_tokens_details"] = {{"reasoning_tokens", *usage.reasoning_tokens}};
  return json;
}

void add_usage(Json& chunk, const Usage& usage, const OpenAiDetails& details) {
  if (details.continuous_usage_stats)
    chunk["usage"] = usage_json(usage);
  else if (details.include_usage)
    chunk["usage"] = nullptr;
}

std::string stream_ending(Json envelope, const Usage& usage, const OpenAiDetails& details) {
  constexpr const char* kDone = "data: [DONE]\n\n";
  if (!details.include_usage) return kDone;
  envelope["choices"] = Json::array();
  envelope["usage"] = usage_json(usage);
  return data_event(envelope) + kDone;
}

std::string openai_error(const Error& error) { return error_body(error); }

Json finish_reason(const AnswerEvent& event) {
  if (!event.finish) return nullptr;
  switch (event.finish->reason) {
    case Finish::Reason::kStop:
      return "stop";
    case Finish::Reason::kLength:
      return "length";
    case Finish::Reason::kToolCalls:
      return "tool_calls";
  }
  return nullptr;
}

Json stop_reason(const AnswerEvent& event) {
  if (!event.finish) return nullptr;
  if (const auto* text = std::get_if<std::string>(&event.finish->stop)) return *text;
  if (const auto* token = std::get_if<int32_t>(&event.finish->stop)) return *token;
  return nullptr;
}

Json token_ids(const std::vector<TokenEntry>& tokens) {
  Json list = Json::array();
  for (const TokenEntry& entry : tokens) list.push_back(entry.token);
  return list;
}

std::string token_text(const Tokenizer& tokenizer, int32_t token) {
  return to_valid_utf8(tokenizer.token_bytes(token));
}

float json_logprob(float logprob) { return std::max(logprob, -9999.0f); }

Json prompt_logprobs(const Tokenizer& tokenizer, const std::vector<TokenEntry>& tokens,
                     int32_t num_top) {
  const auto item = [&](int32_t token, float logprob, int64_t rank) {
    return Json{{"logprob", json_logprob(logprob)},
                {"rank", rank},
                {"decoded_token", token_text(tokenizer, token)}};
  };
  Json list = Json::array({nullptr});
  for (const TokenEntry& entry : tokens) {
    Json position = Json::object();
    for (size_t i = 0; i < entry.top.size() && i < static_cast<size_t>(num_top); ++i)
      position[std::to_string(entry.top[i].token)] =
          item(entry.top[i].token, entry.top[i].logprob, static_cast<int64_t>(i) + 1);
    position[std::to_string(entry.token)] = item(entry.token, entry.logprob, entry.token_rank);
    list.push_back(std::move(position));
  }
  return list;
}

}  // namespace ember
