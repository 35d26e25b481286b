// SPDX-License-Identifier: Apache-2.0
#include "api/tokenize.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api/generation.h"

namespace ember {

namespace {

// {"prompt"} or {"messages"} to ids.
Result<std::vector<int32_t>> tokenize(const ServedModel& model, const Json& body) {
  FieldReader fields(body);
  fields.text("model", SIZE_MAX, "");
  const bool special = fields.boolean("add_special_tokens", true);
  if (!fields.has("prompt") && !fields.has("messages"))
    fields.fail("prompt", "is missing, and so is messages.", "invalid_type");
  const std::string prompt = fields.text("prompt", SIZE_MAX, "");
  if (!fields.ok()) return fields.error();
  if (fields.has("prompt")) return model.tokenizer->encode(prompt, {.add_special_tokens = special});
  ChatRequest request;
  if (const Result<void> read = read_conversation(fields, request); !read.ok()) return read.error();
  Result<ChatPrompt> rendered = render_chat(model, request);
  if (!rendered.ok()) return rendered.error();
  return std::move(rendered.value().ids);
}

}  // namespace

Result<Json> answer_tokenize(const ServedModel& model, const ParamLimits&, const Json& body) {
  const Result<std::vector<int32_t>> ids = tokenize(model, body);
  if (!ids.ok()) return ids.error();
  return Json{{"count", ids.value().size()},
              {"max_model_len", model.info.max_model_len},
              {"tokens", ids.value()}};
}

Result<Json> answer_detokenize(const ServedModel& model, const ParamLimits&, const Json& body) {
  FieldReader fields(body);
  fields.text("model", SIZE_MAX, "");
  if (!fields.has("tokens")) fields.fail("tokens", "is missing.", "invalid_type");
  std::vector<int32_t> ids = fields.ids("tokens", SIZE_MAX, model.info.vocab_size);
  if (!fields.ok()) return fields.error();
  // A model may have more ids than its tokenizer: those stand for no text.
  std::erase_if(ids, [&](int32_t id) { return id >= model.tokenizer->vocab_size(); });
  const Result<std::string> text = model.tokenizer->decode(ids, false);
  if (!text.ok()) return text.error();
  return Json{{"prompt", text.value()}};
}

Result<Json> answer_render(const ServedModel& model, const ParamLimits& limits, const Json& body) {
  const Result<ChatRequest> request = parse_chat(body, model.info, limits);
  if (!request.ok()) return request.error();
  const Result<ChatPrompt> prompt = render_chat(model, request.value());
  if (!prompt.ok()) return prompt.error();
  return Json{{"prompt", prompt.value().text}, {"prompt_token_ids", prompt.value().ids}};
}

Result<Json> answer_count_tokens(const ServedModel& model, const ParamLimits& limits,
                                 const Json& body) {
  const Result<ChatRequest> request = parse_messages_request(body, model.info, limits, true);
  if (!request.ok()) return request.error();
  const Result<ChatPrompt> prompt = render_chat(model, request.value());
  if (!prompt.ok()) return prompt.error();
  return Json{{"input_tokens", prompt.value().ids.size()}};
}

}  // namespace ember
