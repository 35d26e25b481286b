// SPDX-License-Identifier: Apache-2.0
#include "api/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/context_limits.h"
#include "http/access_log.h"

namespace ember {

namespace {

// Of all strings inside.
size_t text_bytes(const Json& json) {
  if (json.is_string()) return json.get_ref<const std::string&>().size();
  size_t bytes = 0;
  if (json.is_structured())
    for (const Json& item : json) bytes += text_bytes(item);
  return bytes;
}

}  // namespace

Result<ChatPrompt> render_chat(const ServedModel& model, const ChatRequest& request) {
  if (model.chat_template == nullptr)
    return invalid(request.messages_field,
                   "The model has no chat template; use /v1/completions, or start the server with "
                   "--chat-template.",
                   "no_chat_template");
  const ChatInput input = template_input(request);
  if (const Result<void> fits =
          check_length(model, text_bytes(input.messages), request.messages_field);
      !fits.ok())
    return fits.error();
  Result<ChatPrompt> prompt = model.chat_template->render(input);
  if (prompt.ok()) return prompt;
  Error error = prompt.error();
  if (error.param == "messages") error.param = request.messages_field;
  if (error.param == "continue_final_message") error.param = request.continue_field;
  return error;
}

Result<Generation> prepare_chat(const ServedModel& model, ChatRequest request) {
  if (const Result<void> callable = check_tools(model, request); !callable.ok())
    return callable.error();
  Result<ChatPrompt> prompt = render_chat(model, request);
  if (!prompt.ok()) return prompt.error();
  Result<AnswerForm> form = form_of_chat(model, request, prompt.value().text);
  if (!form.ok()) return form.error();
  for (const auto& [variable, field] : request.hints)
    if (!model.chat_template->mentions(variable)) request.params.ignored.push_back(field);
  const Result<int32_t> max_tokens =
      output_tokens(model, request.params, prompt.value().ids.size(), model.info.max_model_len,
                    request.messages_field);
  if (!max_tokens.ok()) return max_tokens.error();
  return Generation{.params = std::move(request.params),
                    .prompts = {std::move(prompt.value().ids)},
                    .max_tokens = {max_tokens.value()},
                    .echo = {},
                    .form = std::move(form).value()};
}

}  // namespace ember
