// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "api/generation_answer.h"

namespace ember {

namespace {

// Characters (code points) that begin in the bytes: of a character split over tokens the first one
// counts.
size_t length_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

class CompletionAnswer final : public GenerationAnswer {
 public:
  explicit CompletionAnswer(AnswerSpec answer) : GenerationAnswer(std::move(answer)) {
    offsets_.resize(spec().prompts.size() * static_cast<size_t>(spec().params.n));
  }

 protected:
  const char* object(bool) const override { return "text_completion"; }

  Json whole_choice(size_t index) override {
    const Choice& c = choice(index);
    Json json = {{"index", index},
                 {"text", echo(index) + c.text()},
                 {"logprobs", logprobs(index, c.tokens(), true)},
                 {"finish_reason", c.finish_reason()},
                 {"stop_reason", stop_reason(index)}};
    if (spec().params.prompt_logprobs) json["prompt_logprobs"] = prompt_logprobs(index);
    if (spec().params.return_token_ids) {
      json["token_ids"] = ids(c.tokens());
      json["prompt_token_ids"] = prompt(index);
    }
    return json;
  }

  Json chunk_choice(size_t index, const Choice::Delta& delta) override {
    const Choice& c = choice(index);
    Json json = {{"index", index},
                 {"text", (delta.first ? echo(index) : "") + delta.text},
                 {"logprobs", logprobs(index, delta.tokens, delta.first)},
                 {"finish_reason", c.finished() ? Json(c.finish_reason()) : Json(nullptr)},
                 {"stop_reason", c.finished() ? stop_reason(index) : Json(nullptr)}};
    if (spec().params.return_token_ids) {
      json["token_ids"] = ids(delta.tokens);
      if (delta.first) json["prompt_token_ids"] = prompt(index);
    }
    return json;
  }

 private:
  std::string echo(size_t index) const {
    return spec().echo.empty() ? std::string() : spec().echo[prompt_of(index)];
  }

  static Json ids(const std::vector<TokenEntry>& tokens) {
    Json list = Json::array();
    for (const TokenEntry& entry : tokens) list.push_back(entry.token);
    return list;
  }

  // OpenAI's four parallel lists. With echo the prompt's tokens come first; the first of them has
  // no probability.
  Json logprobs(size_t index, const std::vector<TokenEntry>& tokens, bool from_start) {
    if (spec().params.num_logprobs < 0) return nullptr;
    Json json = {{"text_offset", Json::array()},
                 {"token_logprobs", Json::array()},
                 {"tokens", Json::array()},
                 {"top_logprobs", Json::array()}};
    if (from_start && !spec().echo.empty()) {
      std::string_view rest = spec().echo[prompt_of(index)];
      add(json, index, prompt(index).front(), nullptr, nullptr,
          take_echoed(rest, prompt(index).front()));
      for (const TokenEntry& entry : choice(index).prompt_tokens())
        add(json, index, entry, take_echoed(rest, entry.token));
    }
    for (const TokenEntry& entry : tokens)
      add(json, index, entry,
          !spec().params.skip_special_tokens || !spec().tokenizer->is_special(entry.token));
    return json;
  }

  // Whether a token of the prompt stands in what is left of the echoed text: the tokenizer's own
  // additions do not.
  bool take_echoed(std::string_view& rest, int32_t token) const {
    const std::string& bytes = spec().tokenizer->token_bytes(token);
    if (spec().tokenizer->is_special(token) && !rest.starts_with(bytes)) return false;
    rest.remove_prefix(std::min(bytes.size(), rest.size()));
    return true;
  }

  void add(Json& json, size_t index, const TokenEntry& entry, bool in_text) {
    Json top = Json::object();
    for (size_t i = 0; i < entry.top.size() && i < static_cast<size_t>(spec().params.num_logprobs);
         ++i)
      top[token_text(entry.top[i].token)] = json_logprob(entry.top[i].logprob);
    top[token_text(entry.token)] = json_logprob(entry.logprob);
    add(json, index, entry.token, json_logprob(entry.logprob), top, in_text);
  }

  // in_text: the token's text is part of the answer's, where its offset counts.
  void add(Json& json, size_t index, int32_t token, const Json& logprob, const Json& top,
           bool in_text) {
    json["text_offset"].push_back(offsets_[index]);
    json["token_logprobs"].push_back(logprob);
    json["tokens"].push_back(token_text(token));
    json["top_logprobs"].push_back(top);
    if (in_text) offsets_[index] += length_of(spec().tokenizer->token_bytes(token));
  }

  std::vector<size_t> offsets_;  // per choice, characters of the text told so far
};

}  // namespace

std::unique_ptr<Response> make_completion_answer(AnswerSpec spec) {
  return std::make_unique<CompletionAnswer>(std::move(spec));
}

}  // namespace ember
