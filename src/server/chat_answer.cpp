#include "server/generation_answer.h"

namespace ember {

namespace {

class ChatAnswer final : public GenerationAnswer {
 public:
  using GenerationAnswer::GenerationAnswer;

 protected:
  const char* object(bool chunk) const override { return chunk ? "chat.completion.chunk" : "chat.completion"; }

  Json whole_choice(size_t index) override {
    const Choice& c = choice(index);
    Json json = {{"index", index},
                 {"message", {{"role", "assistant"}, {"content", c.text()}, {"refusal", nullptr}}},
                 {"logprobs", logprobs(c.tokens())},
                 {"finish_reason", c.finish_reason()},
                 {"stop_reason", stop_reason(index)}};
    if (spec().params.return_token_ids) json["token_ids"] = ids(c.tokens());
    return json;
  }

  // The role comes with the first token, not before it: benchmarks take the first chunk for the time to the first token.
  Json chunk_choice(size_t index, const Choice::Delta& delta) override {
    const Choice& c = choice(index);
    Json content = Json::object();
    if (delta.first) content["role"] = "assistant";
    if (delta.first || !delta.text.empty()) content["content"] = delta.text;
    Json json = {{"index", index}, {"delta", content}, {"logprobs", logprobs(delta.tokens)}, {"finish_reason", nullptr}};
    if (c.finished()) {
      json["finish_reason"] = c.finish_reason();
      json["stop_reason"] = stop_reason(index);
    }
    if (spec().params.return_token_ids) json["token_ids"] = ids(delta.tokens);
    return json;
  }

  void add_to_body(Json& body, bool chunk) override {
    if (spec().params.return_token_ids && (!chunk || !std::exchange(prompt_told_, true))) body["prompt_token_ids"] = spec().prompts.front();
    if (!chunk && spec().params.prompt_logprobs) body["prompt_logprobs"] = prompt_logprobs(0);
  }

 private:
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
      for (size_t i = 0; i < entry.top.size() && i < static_cast<size_t>(spec().params.num_logprobs); ++i)
        top.push_back(one(entry.top[i].token, entry.top[i].logprob));
      content.push_back(std::move(item));
    }
    return {{"content", content}, {"refusal", nullptr}};
  }

  Json one(int32_t token, float logprob) const {
    Json bytes = Json::array();
    for (const char c : spec().tokenizer->token_bytes(token)) bytes.push_back(static_cast<unsigned char>(c));
    return {{"token", token_text(token)}, {"logprob", json_logprob(logprob)}, {"bytes", bytes}};
  }

  bool prompt_told_ = false;
};

}  // namespace

std::unique_ptr<Response> make_chat_answer(AnswerSpec spec) { return std::make_unique<ChatAnswer>(std::move(spec)); }

}  // namespace ember
