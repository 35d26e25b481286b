// SPDX-License-Identifier: Apache-2.0
// docs: OpenAI's chat completions, and vLLM's fields beyond them
#include "api/chat_request.h"

#include <utility>

#include "api/chat_messages.h"
#include "api/openai_params.h"
#include "api/template_fields.h"

namespace ember {

namespace {

constexpr size_t kMaxEffortBytes = 32;

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
