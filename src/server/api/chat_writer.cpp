// SPDX-License-Identifier: Apache-2.0
// OpenAI's chat completions, with vLLM's members beyond them.
#include <utility>

#include "api/answer_writer.h"
#include "api/openai_json.h"

namespace ember {

namespace {

Json call_json(const ToolCallDelta& call) {
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

// The first piece of a call says what it is, the others go on with its arguments.
Json delta_json(const ToolCallDelta& delta) {
  Json json = {{"index", delta.index}};
  if (delta.name.empty())
    json["function"] = {{"arguments", delta.arguments}};
  else
    json.update(call_json(delta));
  return json;
}

class ChatWriter final : public AnswerWriter {
 public:
  ChatWriter(AnswerName name, const Tokenizer& tokenizer, const OpenAiDetails& details,
             std::vector<int32_t> prompt)
      : name_(std::move(name)),
        tokenizer_(tokenizer),
        details_(details),
        prompt_(std::move(prompt)) {}

  void event(const AnswerEvent& event, const Usage& usage, std::string& out) override {
    Json choice = {{"index", event.choice},
                   {"delta", delta(event)},
                   {"logprobs", logprobs(event.tokens)},
                   {"finish_reason", finish_reason(event)}};
    if (event.finish) choice["stop_reason"] = stop_reason(event);
    if (details_.return_token_ids) choice["token_ids"] = token_ids(event.tokens);
    Json chunk = envelope(name_, "chat.completion.chunk");
    chunk["choices"] = Json::array({std::move(choice)});
    if (details_.return_token_ids && !std::exchange(prompt_told_, true))
      chunk["prompt_token_ids"] = prompt_;
    add_usage(chunk, usage, details_);
    out += data_event(chunk);
  }

  void end(const Usage& usage, std::string& out) override {
    out += stream_ending(envelope(name_, "chat.completion.chunk"), usage, details_);
  }
  void fail(const Error& error, std::string& out) override {
    out += "data: " + openai_error(error) + "\n\n";
  }

  std::string whole(const std::vector<AnswerEvent>& choices, const Usage& usage) override {
    Json body = envelope(name_, "chat.completion");
    Json& list = body["choices"] = Json::array();
    for (const AnswerEvent& choice : choices)
      list.push_back(whole_choice(choice, usage.reasoning_tokens.has_value()));
    body["usage"] = usage_json(usage);
    if (details_.return_token_ids) body["prompt_token_ids"] = prompt_;
    if (details_.prompt_logprobs)
      body["prompt_logprobs"] =
          prompt_logprobs(tokenizer_, choices.front().prompt_tokens, *details_.prompt_logprobs);
    return dump(body);
  }
  std::string error(const Error& error) override { return openai_error(error); }

 private:
  // The role comes with the first token, not before it: benchmarks take the first chunk for the
  // time to the first token.
  static Json delta(const AnswerEvent& event) {
    Json json = Json::object();
    if (event.first) json["role"] = "assistant";
    if (!event.content.empty() || (event.first && event.calls.empty()))
      json["content"] = event.content;
    if (!event.reasoning.empty()) json["reasoning_content"] = event.reasoning;
    for (const ToolCallDelta& call : event.calls) json["tool_calls"].push_back(delta_json(call));
    return json;
  }

  Json whole_choice(const AnswerEvent& choice, bool with_reasoning) const {
    Json message = {{"role", "assistant"}, {"content", nullptr}, {"refusal", nullptr}};
    if (choice.calls.empty() || !choice.content.empty()) message["content"] = choice.content;
    if (with_reasoning)
      message["reasoning_content"] =
          choice.reasoning.empty() ? Json(nullptr) : Json(choice.reasoning);
    for (const ToolCallDelta& call : choice.calls) message["tool_calls"].push_back(call_json(call));
    Json json = {{"index", choice.choice},
                 {"message", std::move(message)},
                 {"logprobs", logprobs(choice.tokens)},
                 {"finish_reason", finish_reason(choice)},
                 {"stop_reason", stop_reason(choice)}};
    if (details_.return_token_ids) json["token_ids"] = token_ids(choice.tokens);
    return json;
  }

  Json logprobs(const std::vector<TokenEntry>& tokens) const {
    if (details_.num_logprobs < 0) return nullptr;
    Json content = Json::array();
    for (const TokenEntry& entry : tokens) {
      Json item = one(entry.token, entry.logprob);
      Json& top = item["top_logprobs"] = Json::array();
      for (size_t i = 0; i < entry.top.size() && i < static_cast<size_t>(details_.num_logprobs);
           ++i)
        top.push_back(one(entry.top[i].token, entry.top[i].logprob));
      content.push_back(std::move(item));
    }
    return {{"content", std::move(content)}, {"refusal", nullptr}};
  }

  Json one(int32_t token, float logprob) const {
    Json bytes = Json::array();
    for (const char c : tokenizer_.token_bytes(token))
      bytes.push_back(static_cast<unsigned char>(c));
    return {{"token", token_text(tokenizer_, token)},
            {"logprob", json_logprob(logprob)},
            {"bytes", std::move(bytes)}};
  }

  const AnswerName name_;
  const Tokenizer& tokenizer_;
  const OpenAiDetails details_;
  const std::vector<int32_t> prompt_;
  bool prompt_told_ = false;
};

}  // namespace

std::unique_ptr<AnswerWriter> make_chat_writer(AnswerName name, const Tokenizer& tokenizer,
                                               const OpenAiDetails& details,
                                               std::vector<int32_t> prompt) {
  return std::make_unique<ChatWriter>(std::move(name), tokenizer, details, std::move(prompt));
}

}  // namespace ember
