// SPDX-License-Identifier: Apache-2.0
#include "api/chat_request.h"

#include <fmt/format.h>

namespace ember {

Error wrong(const std::string& path, const std::string& what, const std::string& code) {
  return invalid(path, path + " " + what, code);
}

bool is_text(const Json& object, const char* name) {
  return object.contains(name) && object[name].is_string();
}

std::string type_of(const Json& part) {
  return part.is_object() && is_text(part, "type") ? part["type"].get<std::string>()
                                                   : std::string();
}

void copy_fields(FieldReader& fields, Json& chat, std::initializer_list<const char*> names) {
  const auto copy = [&](const char* name) {
    if (const Json* value = fields.value(name)) chat[name] = *value;
  };
  // Those from seed on are ours: neither OpenAI nor Anthropic has all of them.
  for (const char* name :
       {"model", "stream", "temperature", "top_p", "seed", "top_k", "min_p", "presence_penalty",
        "frequency_penalty", "repetition_penalty", "logit_bias", "bad_words", "stop_token_ids",
        "ignore_eos", "min_tokens", "priority", "cache_salt", "timeout", "chat_template_kwargs"})
    copy(name);
  for (const char* name : names) copy(name);
  if (chat.value("stream", Json()) == true)
    chat["stream_options"] = {{"include_usage", true}, {"continuous_usage_stats", true}};
}

void copy_tools(FieldReader& fields, Json& chat,
                Json (*function_of)(FieldReader& fields, const Json& tool,
                                    const std::string& path)) {
  const Json* tools = fields.value("tools");
  if (tools == nullptr) return;
  if (!tools->is_array())
    return fields.fail("tools", fmt::format("must be a list, not {}.", type_name(*tools)),
                       "invalid_type");
  Json& list = chat["tools"] = Json::array();
  for (size_t i = 0; i < tools->size() && fields.ok(); ++i)
    list.push_back({{"type", "function"},
                    {"function", function_of(fields, (*tools)[i], fmt::format("tools[{}]", i))}});
}

Json named_choice(const Json& name) {
  return {{"type", "function"}, {"function", {{"name", name}}}};
}

Json schema_format(Json json_schema) {
  return {{"type", "json_schema"}, {"json_schema", std::move(json_schema)}};
}

}  // namespace ember
