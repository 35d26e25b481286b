// SPDX-License-Identifier: Apache-2.0
// What a chat answer's text is made of: reasoning, content and calls.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ember/text/reasoning_parser.h"
#include "ember/text/tool_parser.h"

namespace ember {

struct ChatParts {
  std::string reasoning, content;
  std::vector<ToolCallDelta> calls;  // of a whole answer: one for each call

  bool empty() const { return reasoning.empty() && content.empty() && calls.empty(); }
  // Adds what came after.
  void append(const ChatParts& more);
};

// One choice's text, piece by piece. However it is cut, the parts put together are the same.
class ChatText {
 public:
  struct Options {
    std::optional<ReasoningStyle> reasoning = {};   // nullopt: reasoning is not told apart
    bool reasoning_open = false;                    // the prompt ends inside it
    std::optional<ToolParser::Options> tools = {};  // nullopt: calls are not looked for
  };
  explicit ChatText(const Options& options);

  // at_end: no text comes after this.
  ChatParts push(const std::string& text, bool at_end);
  bool reasoning() const {
    return (reasoning_ && reasoning_->reasoning()) || (tools_ && tools_->reasoning());
  }

 private:
  void add(ChatParts& parts, ToolParser::Output out) const;

  bool tells_reasoning_ = false;  // otherwise it stays in the content
  std::optional<ReasoningParser> reasoning_;
  std::optional<ToolParser> tools_;
};

// Texts that may be special tokens and are still to be seen by the parsers.
std::vector<std::string> markers_of(const ChatText::Options& options);

}  // namespace ember
