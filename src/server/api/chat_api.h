// SPDX-License-Identifier: Apache-2.0
// APIs whose requests and answers are those of chat completions in other words: Anthropic's
// Messages and OpenAI's Responses.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/answer_format.h"
#include "ember/base/result.h"
#include "ember/server/json_reader.h"

namespace ember {

struct AnswerSpec;

struct ChatApi {
  const char* id_prefix;
  // The body of the chat completion that the body asks for. Errors name the API's own fields.
  Result<Json> (*to_chat)(const Json& body);
  std::unique_ptr<AnswerFormat> (*make_format)(const Json& body, const AnswerSpec& spec);
  // Fields that have another name there: {chat's, the API's}.
  std::vector<std::pair<std::string, std::string>> names;
};

extern const ChatApi kMessagesApi, kResponsesApi;

// The same error about the field as the API calls it.
Error renamed(const ChatApi& api, Error error);

// For /v1/messages/count_tokens, where nothing is generated: max_tokens may be missing.
Result<Json> chat_of_counted_messages(const Json& body);

// One server-sent event: its type is also its name.
std::string typed_event(const Json& event);

}  // namespace ember
