// SPDX-License-Identifier: Apache-2.0
// OpenAI's completions, with vLLM's members beyond them.
#include <algorithm>
#include <utility>

#include "api/answer_writer.h"
#include "api/openai_json.h"

namespace ember {

namespace {

// Characters (code points) that begin in the bytes: of a character split over tokens the first one
// counts.
size_t length_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

class CompletionWriter final : public AnswerWriter {
 public:
  CompletionWriter(AnswerName name, const Tokenizer& tokenizer, const OpenAiDetails& details,
                   std::vector<std::vector<int32_t>> prompts, size_t choices, CompletionEcho echo)
      : name_(std::move(name)),
        tokenizer_(tokenizer),
        details_(details),
        prompts_(std::move(prompts)),
        choices_per_prompt_(choices / prompts_.size()),
        echo_(std::move(echo)),
        offsets_(choices) {}

  void event(const AnswerEvent& event, const Usage& usage, std::string& out) override {
    Json chunk = envelope(name_, "text_completion");
    chunk["choices"] = Json::array({choice_json(event)});
    add_usage(chunk, usage, details_);
    out += data_event(chunk);
  }
  void end(const Usage& usage, std::string& out) override {
    out += stream_ending(envelope(name_, "text_completion"), usage, details_);
  }
  void fail(const Error& error, std::string& out) override {
    out += "data: " + openai_error(error) + "\n\n";
  }

  std::string whole(const std::vector<AnswerEvent>& choices, const Usage& usage) override {
    Json body = envelope(name_, "text_completion");
    Json& list = body["choices"] = Json::array();
    for (const AnswerEvent& choice : choices) list.push_back(choice_json(choice));
    body["usage"] = usage_json(usage);
    return dump(body);
  }
  std::string error(const Error& error) override { return openai_error(error); }

 private:
  // A piece of a choice looks like a whole one.
  Json choice_json(const AnswerEvent& event) {
    const bool echoes = event.first && !echo_.texts.empty();
    const std::string text = echoes ? echo_.texts[prompt_of(event)] + event.content : event.content;
    Json json = {{"index", event.choice},
                 {"text", text},
                 {"logprobs", logprobs(event, echoes)},
                 {"finish_reason", finish_reason(event)},
                 {"stop_reason", stop_reason(event)}};
    if (details_.prompt_logprobs)
      json["prompt_logprobs"] =
          prompt_logprobs(tokenizer_, event.prompt_tokens, *details_.prompt_logprobs);
    if (!details_.return_token_ids) return json;
    json["token_ids"] = token_ids(event.tokens);
    if (event.first) json["prompt_token_ids"] = prompts_[prompt_of(event)];
    return json;
  }

  size_t prompt_of(const AnswerEvent& event) const { return event.choice / choices_per_prompt_; }

  // OpenAI's four parallel lists. With an echo the prompt's tokens come first; the first of them
  // has no probability.
  Json logprobs(const AnswerEvent& event, bool echoes) {
    if (details_.num_logprobs < 0) return nullptr;
    Json lists = {{"text_offset", Json::array()},
                  {"token_logprobs", Json::array()},
                  {"tokens", Json::array()},
                  {"top_logprobs", Json::array()}};
    if (echoes) {
      std::string_view rest = echo_.texts[prompt_of(event)];
      const int32_t first = prompts_[prompt_of(event)].front();
      add(lists, event.choice, first, nullptr, nullptr, take_echoed(rest, first));
      for (const TokenEntry& entry : event.prompt_tokens)
        add(lists, event.choice, entry, take_echoed(rest, entry.token));
    }
    for (const TokenEntry& entry : event.tokens)
      add(lists, event.choice, entry,
          !echo_.skip_special_tokens || !tokenizer_.is_special(entry.token));
    return lists;
  }

  // Whether a token of the prompt stands in what is left of the echoed text: the tokenizer's own
  // additions do not.
  bool take_echoed(std::string_view& rest, int32_t token) const {
    const std::string& bytes = tokenizer_.token_bytes(token);
    if (tokenizer_.is_special(token) && !rest.starts_with(bytes)) return false;
    rest.remove_prefix(std::min(bytes.size(), rest.size()));
    return true;
  }

  void add(Json& lists, size_t choice, const TokenEntry& entry, bool in_text) {
    Json top = Json::object();
    for (size_t i = 0; i < entry.top.size() && i < static_cast<size_t>(details_.num_logprobs); ++i)
      top[token_text(tokenizer_, entry.top[i].token)] = json_logprob(entry.top[i].logprob);
    top[token_text(tokenizer_, entry.token)] = json_logprob(entry.logprob);
    add(lists, choice, entry.token, json_logprob(entry.logprob), top, in_text);
  }

  // in_text: the token's text is part of the answer's, where its offset counts.
  void add(Json& lists, size_t choice, int32_t token, const Json& logprob, const Json& top,
           bool in_text) {
    lists["text_offset"].push_back(offsets_[choice]);
    lists["token_logprobs"].push_back(logprob);
    lists["tokens"].push_back(token_text(tokenizer_, token));
    lists["top_logprobs"].push_back(top);
    if (in_text) offsets_[choice] += length_of(tokenizer_.token_bytes(token));
  }

  const AnswerName name_;
  const Tokenizer& tokenizer_;
  const OpenAiDetails details_;
  const std::vector<std::vector<int32_t>> prompts_;
  const size_t choices_per_prompt_;
  const CompletionEcho echo_;
  std::vector<size_t> offsets_;  // per choice, characters of the text told so far
};

}  // namespace

std::unique_ptr<AnswerWriter> make_completion_writer(AnswerName name, const Tokenizer& tokenizer,
                                                     const OpenAiDetails& details,
                                                     std::vector<std::vector<int32_t>> prompts,
                                                     size_t choices, CompletionEcho echo) {
  return std::make_unique<CompletionWriter>(std::move(name), tokenizer, details, std::move(prompts),
                                            choices, std::move(echo));
}

}  // namespace ember
