// SPDX-License-Identifier: Apache-2.0
#include "written_call.h"

#include <algorithm>

#include "ember/text/tool_parser.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char *kName = "probe_tool", *kKey = "probe_key", *kValue = "probe_value";

Json arguments() { return {{kKey, kValue}}; }

Json tools() {
  const Json parameters = {{"type", "object"},
                           {"properties", {{kKey, {{"type", "string"}, {"description", "d"}}}}}};
  return Json::array(
      {{{"type", "function"},
        {"function", {{"name", kName}, {"description", "d"}, {"parameters", parameters}}}}});
}

Json user() { return {{"role", "user"}, {"content", "hi"}}; }

Json caller(const Json& arguments) {
  return {
      {"role", "assistant"},
      {"tool_calls", Json::array({{{"id", "abcdefghi"},
                                   {"type", "function"},
                                   {"function", {{"name", kName}, {"arguments", arguments}}}}})}};
}

// What `with_call` has beyond the prompt for an answer. A mark whose beginning both have, as
// <think> and <tool_call> do, belongs to the answer.
std::string answer_in(const std::string& with_call, const std::string& prompt) {
  const auto differ =
      std::mismatch(with_call.begin(), with_call.end(), prompt.begin(), prompt.end()).first;
  const auto end = static_cast<size_t>(differ - with_call.begin());
  const size_t mark = end == 0 ? std::string::npos : with_call.find_last_of("<[", end - 1);
  const bool inside = mark != std::string::npos && with_call.find_first_of(">]", mark) >= end;
  return with_call.substr(inside ? mark : end);
}

}  // namespace

std::vector<std::string> written_calls(const RenderTry& render) {
  std::vector<std::string> answers;
  const Result<std::string> prompt = render(Json::array({user()}), tools());
  if (!prompt.ok()) return answers;
  for (const Json& given : {arguments(), Json(arguments().dump())}) {
    Json absent = caller(given), null = absent, empty = absent;
    null["content"] = nullptr;
    empty["content"] = "";
    for (const Json& message : {empty, null, absent}) {
      const Result<std::string> rendered = render(Json::array({user(), message}), tools());
      if (!rendered.ok()) continue;
      std::string answer = answer_in(rendered.value(), prompt.value());
      if (answer.find(kName) != std::string::npos) answers.push_back(std::move(answer));
    }
  }
  return answers;
}

bool reads_written_call(const ToolDialect& dialect, const std::string& answer) {
  ToolParser parser({.dialect = &dialect, .functions = {kName}});
  std::vector<ToolCallDelta> calls = parser.push(answer).calls;
  for (ToolCallDelta& call : parser.finish().calls) calls.push_back(std::move(call));
  return calls.size() == 1 && Json::parse(calls[0].arguments, nullptr, false) == arguments();
}

}  // namespace ember
