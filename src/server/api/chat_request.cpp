// SPDX-License-Identifier: Apache-2.0
// docs: OpenAI's chat completions, and vLLM's fields beyond them
#include "api/chat_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/chat_messages.h"
#include "api/openai_params.h"

namespace ember {

namespace {

constexpr size_t kMaxDocuments = 1024, kMaxKwargs = 64, kMaxEffortBytes = 32;

Json read_documents(FieldReader& fields) {
  const Json* documents = fields.value("documents");
  if (documents == nullptr) return nullptr;
  const auto is_document = [](const Json& document) {
    return document.is_object() && !document.empty() &&
           std::all_of(document.begin(), document.end(),
                       [](const Json& value) { return value.is_string(); });
  };
  if (!documents->is_array())
    fields.fail("documents", fmt::format("must be a list, not {}.", type_name(*documents)),
                "invalid_type");
  else if (documents->empty() || documents->size() > kMaxDocuments)
    fields.fail("documents", fmt::format("must hold 1 to {} documents.", kMaxDocuments));
  else if (!std::all_of(documents->begin(), documents->end(), is_document))
    fields.fail("documents", "must hold objects of strings, e.g. title and text.", "invalid_type");
  return *documents;
}

void read_template_input(FieldReader& fields, ChatRequest& request) {
  request.add_generation_prompt = fields.boolean("add_generation_prompt", true);
  request.continue_final_message = fields.boolean("continue_final_message", false);
  if (request.continue_final_message && fields.has("add_generation_prompt") &&
      request.add_generation_prompt)
    fields.fail("continue_final_message", "and add_generation_prompt exclude each other.");
  request.kwargs = read_template_kwargs(fields);
  const std::string effort = fields.text("reasoning_effort", kMaxEffortBytes, "");
  if (!effort.empty()) request.hint("reasoning_effort", effort, "reasoning_effort");
  request.documents = read_documents(fields);
}

}  // namespace

Json read_template_kwargs(FieldReader& fields) {
  static constexpr std::string_view kReserved[] = {"messages",
                                                   "tools",
                                                   "documents",
                                                   "add_generation_prompt",
                                                   "continue_final_message",
                                                   "tokenize",
                                                   "chat_template",
                                                   "bos_token",
                                                   "eos_token",
                                                   "return_dict",
                                                   "return_tensors"};
  const Json* kwargs = fields.value("chat_template_kwargs");
  if (kwargs == nullptr) return Json::object();
  if (!kwargs->is_object() || kwargs->size() > kMaxKwargs) {
    fields.fail("chat_template_kwargs",
                fmt::format("must be an object of at most {} scalars.", kMaxKwargs),
                "invalid_type");
    return Json::object();
  }
  for (const auto& [key, value] : kwargs->items())
    if (value.is_structured() ||
        std::find(std::begin(kReserved), std::end(kReserved), key) != std::end(kReserved))
      fields.fail("chat_template_kwargs",
                  "must hold scalars only, and none of the server's own variables.",
                  "unsupported_parameter");
  return *kwargs;
}

Result<void> read_conversation(FieldReader& fields, ChatRequest& request) {
  request.tools = read_tools(fields);
  read_template_input(fields, request);
  if (!fields.ok()) return fields.error();
  Result<std::vector<Message>> messages = read_messages(fields);
  if (!messages.ok()) return messages.error();
  request.messages = std::move(messages).value();
  return {};
}

Result<ChatRequest> parse_chat(const Json& body, const ModelInfo& model,
                               const ParamLimits& limits) {
  FieldReader fields(body);
  ChatRequest request;
  GenerationParams& params = request.params;
  read_max_tokens(fields, "max_tokens", 1, params);
  read_max_tokens(fields, "max_completion_tokens", 1, params);  // the newer name wins
  read_openai_params(fields, model, limits, params);
  const bool logprobs = fields.boolean("logprobs", false);
  const auto top = static_cast<int32_t>(fields.integer("top_logprobs", 0, kMaxLogprobs, 0));
  if (fields.has("top_logprobs") && !logprobs)
    fields.fail("top_logprobs", "is only possible with logprobs: true.");
  if (logprobs) params.num_logprobs = top;
  if (const Result<void> read = read_conversation(fields, request); !read.ok()) return read.error();
  count_fields(fields, params);
  return request;
}

void ChatRequest::hint(const std::string& variable, const Json& value, const std::string& field) {
  hints.emplace_back(variable, field);
  if (!kwargs.contains(variable)) kwargs[variable] = value;
}

ChatInput template_input(const ChatRequest& request) {
  return {.messages = template_messages(request.messages),
          .tools = request.tools.shown,
          .documents = request.documents,
          .add_generation_prompt = request.add_generation_prompt,
          .continue_final_message = request.continue_final_message,
          .kwargs = request.kwargs};
}

}  // namespace ember
