// SPDX-License-Identifier: Apache-2.0
// Chunks and bodies of chat completions, as the formats of other APIs are given them.
#pragma once

#include <string>
#include <vector>

#include "ember/server/json_reader.h"

namespace ember {

inline Json chat_usage(int prompt, int cached, int output) {
  return {{"prompt_tokens", prompt},
          {"completion_tokens", output},
          {"total_tokens", prompt + output},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

inline Json chat_chunk(const Json& delta, int output, const Json& finish_reason = nullptr,
                       const Json& stop_reason = nullptr) {
  Json choice = {{"index", 0}, {"delta", delta}, {"finish_reason", finish_reason}};
  if (!finish_reason.is_null()) choice["stop_reason"] = stop_reason;
  return {{"id", "x_1"},
          {"model", "m"},
          {"choices", Json::array({choice})},
          {"usage", chat_usage(10, 4, output)}};
}

// One that thinks, speaks and calls two functions; each piece comes alone.
inline std::vector<Json> chunks_of_everything() {
  const auto call = [](int index, const char* id, const char* name, const char* arguments) {
    return Json{
        {"tool_calls", Json::array({{{"index", index},
                                     {"id", id},
                                     {"type", "function"},
                                     {"function", {{"name", name}, {"arguments", arguments}}}}})}};
  };
  const auto more = [](int index, const char* arguments) {
    return Json{{"tool_calls",
                 Json::array({{{"index", index}, {"function", {{"arguments", arguments}}}}})}};
  };
  return {chat_chunk({{"role", "assistant"}, {"content", ""}}, 1),
          chat_chunk({{"reasoning_content", "Hm"}}, 2),
          chat_chunk({{"reasoning_content", "m."}}, 3),
          chat_chunk({{"content", "Let me "}}, 4),
          chat_chunk({{"content", "see."}}, 5),
          chat_chunk(call(0, "c0", "weather", ""), 6),
          chat_chunk(more(0, "{\"city\":"), 7),
          chat_chunk(more(0, "\"Rome\"}"), 8),
          chat_chunk(call(1, "c1", "time", "{}"), 9),
          chat_chunk(Json::object(), 10, "tool_calls"),
          {{"id", "x_1"},
           {"model", "m"},
           {"choices", Json::array()},
           {"usage", chat_usage(10, 4, 10)}}};
}

inline Json body_of_everything() {
  const auto call = [](const char* id, const char* name, const char* arguments) {
    return Json{
        {"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}};
  };
  const Json message = {{"role", "assistant"},
                        {"content", "Let me see."},
                        {"reasoning_content", "Hmm."},
                        {"tool_calls", Json::array({call("c0", "weather", "{\"city\":\"Rome\"}"),
                                                    call("c1", "time", "{}")})}};
  return {{"id", "x_1"},
          {"model", "m"},
          {"choices", Json::array({{{"index", 0},
                                    {"message", message},
                                    {"finish_reason", "tool_calls"},
                                    {"stop_reason", nullptr}}})},
          {"usage", chat_usage(10, 4, 10)}};
}

// The JSON of each event.
inline std::vector<Json> events_in(const std::string& text) {
  std::vector<Json> events;
  for (size_t at = text.find("data: "); at != std::string::npos; at = text.find("\ndata: ", at)) {
    at = text.find('{', at);
    events.push_back(Json::parse(text.substr(at, text.find('\n', at) - at)));
  }
  return events;
}

}  // namespace ember
