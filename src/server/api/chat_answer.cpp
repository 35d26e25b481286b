// SPDX-License-Identifier: Apache-2.0
#include "api/chat_text.h"
#include "api/generation_answer.h"

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

class ChatAnswer final : public GenerationAnswer {
 public:
  explicit ChatAnswer(AnswerSpec answer) : GenerationAnswer(std::move(answer)) {
    for (size_t i = 0; i < spec().prompts.size() * static_cast<size_t>(spec().params.n); ++i) {
      ChatText::Options options = spec().chat_text;
      if (options.tools) options.tools->id_seed += i << 32;
      texts_.push_back({.text = ChatText(options), .now = {}, .whole = {}, .untold = {}});
    }
  }

 protected:
  const char* object(bool chunk) const override {
    return chunk ? "chat.completion.chunk" : "chat.completion";
  }

  void on_delta(size_t index, const Choice::Delta& delta) override {
    Told& told = texts_[index];
    if (told.text.reasoning()) num_reasoning_tokens_ += delta.tokens.size();
    told.now = told.text.push(delta.text, choice(index).finished());
    told.whole.append(told.now);
  }

  Json whole_choice(size_t index) override {
    const Choice& c = choice(index);
    const ChatParts& parts = texts_[index].whole;
    Json message = {{"role", "assistant"}, {"content", nullptr}, {"refusal", nullptr}};
    if (parts.calls.empty() || !parts.content.empty()) message["content"] = parts.content;
    if (spec().chat_text.reasoning)
      message["reasoning_content"] =
          parts.reasoning.empty() ? Json(nullptr) : Json(parts.reasoning);
    for (const ToolCallDelta& call : parts.calls) message["tool_calls"].push_back(call_json(call));
    Json json = {{"index", index},
                 {"message", message},
                 {"logprobs", logprobs(c.tokens())},
                 {"finish_reason", finish_reason(index)},
                 {"stop_reason", stop_reason(index)}};
    if (spec().params.return_token_ids) json["token_ids"] = ids(c.tokens());
    return json;
  }

  // The role comes with the first token, not before it: benchmarks take the first chunk for the
  // time to the first token.
  Json chunk_choice(size_t index, const Choice::Delta& delta) override {
    const Choice& c = choice(index);
    Told& told = texts_[index];
    told.untold.insert(told.untold.end(), delta.tokens.begin(), delta.tokens.end());
    if (told.now.empty() && !delta.first && !c.finished()) return nullptr;
    Json content = Json::object();
    if (delta.first) content["role"] = "assistant";
    if (delta.first && told.now.calls.empty()) content["content"] = "";
    if (!told.now.content.empty()) content["content"] = told.now.content;
    if (!told.now.reasoning.empty()) content["reasoning_content"] = told.now.reasoning;
    for (const ToolCallDelta& call : told.now.calls)
      content["tool_calls"].push_back(delta_json(call));
    Json json = {{"index", index},
                 {"delta", content},
                 {"logprobs", logprobs(told.untold)},
                 {"finish_reason", nullptr}};
    if (c.finished()) {
      json["finish_reason"] = finish_reason(index);
      json["stop_reason"] = stop_reason(index);
    }
    if (spec().params.return_token_ids) json["token_ids"] = ids(told.untold);
    told.untold.clear();
    return json;
  }

  void add_to_usage(Json& usage) const override {
    if (spec().chat_text.reasoning)
      usage["completion_tokens_details"] = {{"reasoning_tokens", num_reasoning_tokens_}};
  }

  void add_to_body(Json& body, bool chunk) override {
    if (spec().params.return_token_ids && (!chunk || !std::exchange(prompt_told_, true)))
      body["prompt_token_ids"] = spec().prompts.front();
    if (!chunk && spec().params.prompt_logprobs) body["prompt_logprobs"] = prompt_logprobs(0);
  }

 private:
  struct Told {
    ChatText text;
    ChatParts now, whole;            // of the last event, and of all
    std::vector<TokenEntry> untold;  // tokens whose chunk is still to come
  };

  std::string finish_reason(size_t index) {
    const std::string& reason = choice(index).finish_reason();
    return reason == "stop" && !texts_[index].whole.calls.empty() ? "tool_calls" : reason;
  }

  static Json ids(const std::vector<TokenEntry>& tokens) {
    Json list = Json::array();
    for (const TokenEntry& entry : tokens) list.push_back(entry.token);
    return list;
  }

  Json logprobs(const std::vector<TokenEntry>& tokens) const {
    if (spec().params.num_logprobs < 0) return nullptr;
    Json content = Json::array();
    for (const TokenEntry& entry : tokens) {
      Json item = one(entry.token, entry.logprob);
      Json& top = item["top_logprobs"] = Json::array();
      for (size_t i = 0;
           i < entry.top.size() && i < static_cast<size_t>(spec().params.num_logprobs); ++i)
        top.push_back(one(entry.top[i].token, entry.top[i].logprob));
      content.push_back(std::move(item));
    }
    return {{"content", content}, {"refusal", nullptr}};
  }

  Json one(int32_t token, float logprob) const {
    Json bytes = Json::array();
    for (const char c : spec().tokenizer->token_bytes(token))
      bytes.push_back(static_cast<unsigned char>(c));
    return {{"token", token_text(token)}, {"logprob", json_logprob(logprob)}, {"bytes", bytes}};
  }

  std::vector<Told> texts_;
  size_t num_reasoning_tokens_ = 0;
  bool prompt_told_ = false;
};

}  // namespace

std::unique_ptr<Response> make_chat_answer(AnswerSpec spec) {
  return std::make_unique<ChatAnswer>(std::move(spec));
}

}  // namespace ember
