// SPDX-License-Identifier: Apache-2.0
// The messages of a conversation, whichever API they came by.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace ember {

struct ToolCall {
  std::string id;  // empty: none
  std::string name;
  nlohmann::ordered_json arguments;  // an object, or the JSON text of one; null: none
};

// None, a text, or the texts of several parts.
using MessageContent = std::variant<std::monostate, std::string, std::vector<std::string>>;

struct Message {
  std::string role;  // system, developer, user, assistant or tool
  MessageContent content = {};
  std::vector<ToolCall> calls = {};  // an assistant's
  std::string call_id = {};          // of the call that a tool's message answers
  // What else the chat template is given, e.g. name, reasoning_content.
  nlohmann::ordered_json others = nlohmann::ordered_json::object();
};

// The form that chat templates read: OpenAI's.
nlohmann::ordered_json template_messages(const std::vector<Message>& messages);

// A tool's answer belongs to a call that came before it, where calls have ids at all.
class CallIds {
 public:
  void add(const std::string& id) {
    if (!id.empty()) ids_.insert(id);
  }
  bool may_be_answered(const std::string& id) const { return ids_.empty() || ids_.contains(id); }

 private:
  std::set<std::string> ids_;
};

}  // namespace ember
