// SPDX-License-Identifier: Apache-2.0
#include "api/chat_text.h"

#include <utility>

namespace ember {

void ChatParts::append(const ChatParts& more) {
  reasoning += more.reasoning;
  content += more.content;
  for (const ToolCallDelta& delta : more.calls) {
    if (!delta.name.empty())
      calls.push_back(delta);
    else
      calls.back().arguments += delta.arguments;
  }
}

ChatText::ChatText(const Options& options) {
  tells_reasoning_ = options.reasoning.has_value();
  if (options.tools) tools_.emplace(*options.tools);
  // A dialect with channels reads reasoning and calls in one.
  const bool in_one = tells_reasoning_ && options.reasoning->channels && options.tools &&
                      options.tools->dialect->has_channels;
  if (tells_reasoning_ && !in_one)
    reasoning_.emplace(*options.reasoning, options.reasoning_open);
  else if (in_one && options.reasoning_open)
    tools_->push(options.reasoning->begin);
}

void ChatText::add(ChatParts& parts, ToolParser::Output out) const {
  (tells_reasoning_ ? parts.reasoning : parts.content) += out.reasoning;
  parts.content += out.content;
  for (ToolCallDelta& delta : out.calls) {
    const bool goes_on = !parts.calls.empty() && parts.calls.back().index == delta.index;
    if (goes_on)
      parts.calls.back().arguments += delta.arguments;
    else
      parts.calls.push_back(std::move(delta));
  }
}

ChatParts ChatText::push(const std::string& text, bool at_end) {
  ChatParts parts;
  std::string rest = text;
  if (reasoning_) {
    ReasoningParser::Output out = reasoning_->push(text);
    parts.reasoning = std::move(out.reasoning);
    rest = std::move(out.content);
    if (at_end) {
      out = reasoning_->finish();
      parts.reasoning += out.reasoning;
      rest += out.content;
    }
  }
  if (!tools_) {
    parts.content = std::move(rest);
    return parts;
  }
  add(parts, tools_->push(rest));
  if (at_end) add(parts, tools_->finish());
  return parts;
}

std::vector<std::string> markers_of(const ChatText::Options& options) {
  std::vector<std::string> markers;
  if (options.tools) {
    const auto& of_calls = options.tools->dialect->markers;
    markers.assign(of_calls.begin(), of_calls.end());
  }
  if (options.reasoning && options.reasoning->channels) {
    const auto& of_channels = tool_dialect_by_name("harmony")->markers;
    markers.insert(markers.end(), of_channels.begin(), of_channels.end());
  } else if (options.reasoning) {
    markers.insert(markers.end(), {options.reasoning->begin, options.reasoning->end});
  }
  return markers;
}

}  // namespace ember
