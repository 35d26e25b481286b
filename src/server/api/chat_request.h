// SPDX-License-Identifier: Apache-2.0
// A chat request, whichever API it came by. Errors name the API's own fields.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api/message.h"
#include "api/params.h"
#include "api/tools.h"
#include "ember/base/result.h"
#include "ember/text/chat_template.h"

namespace ember {

struct ChatRequest {
  GenerationParams params;
  std::vector<Message> messages;  // at least one
  ToolParams tools;
  std::string messages_field = "messages";  // what the API calls the messages
  // Further input of the chat template.
  Json documents;                // null: none
  Json kwargs = Json::object();  // scalars
  bool add_generation_prompt = true;
  bool continue_final_message = false;
  std::string continue_field = "continue_final_message";  // by which that was asked for
  // Variables of the chat template that stand for hints, and the fields that they came by. A
  // template that does not read the variable ignores the hint.
  std::vector<std::pair<std::string, std::string>> hints;

  // Gives the template a variable, unless chat_template_kwargs has it, and keeps it as a hint.
  void hint(const std::string& variable, const Json& value, const std::string& field);
};

// OpenAI's chat completions, with vLLM's fields.
Result<ChatRequest> parse_chat(const Json& body, const ModelInfo& model, const ParamLimits& limits);
// Anthropic's Messages. counting: nothing is generated, so max_tokens may be missing.
Result<ChatRequest> parse_messages_request(const Json& body, const ModelInfo& model,
                                           const ParamLimits& limits, bool counting = false);
// OpenAI's Responses.
Result<ChatRequest> parse_responses_request(const Json& body, const ModelInfo& model,
                                            const ParamLimits& limits);

// Of chat completions: the tools, the messages and what else the chat template is given.
Result<void> read_conversation(FieldReader& fields, ChatRequest& request);

ChatInput template_input(const ChatRequest& request);

}  // namespace ember
