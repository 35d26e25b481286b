// SPDX-License-Identifier: Apache-2.0
// Tells a model's reasoning from its answer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ember {

class ToolParser;

// The reasoning stands at the beginning of the text, between two markers.
struct ReasoningStyle {
  std::string begin = "<think>", end = "</think>";
  bool always_open = false;  // the text begins inside: the model does not write the first marker
  bool channels = false;     // the whole answer is as the harmony dialect has it
};

// As in --reasoning-parser.
std::optional<ReasoningStyle> reasoning_style_by_name(std::string_view name);
std::vector<std::string> reasoning_style_names();
// The style of a chat template that writes or cuts out reasoning; nullopt: none that is known.
std::optional<ReasoningStyle> detect_reasoning_style(std::string_view template_source);

class ReasoningParser {
 public:
  // open: the text begins inside the reasoning (the prompt ends with the first marker).
  ReasoningParser(ReasoningStyle style, bool open);
  ReasoningParser(ReasoningParser&&) noexcept;
  ~ReasoningParser();

  struct Output {
    std::string reasoning, content;
  };
  // However a text is cut into pieces, the outputs put together are the same. Markers, and the
  // white space around them, are left out.
  Output push(std::string_view text);
  // The end of the text: what was held back.
  Output finish();

  bool reasoning() const;

 private:
  enum class State : uint8_t { kStart, kReasoning, kAfter, kContent };
  // One step; false: more text is needed.
  bool advance(Output& out, bool at_end);
  bool find_end(Output& out, bool at_end);

  const ReasoningStyle style_;
  State state_;
  std::string held_;
  bool has_output_ = false;               // a part of the reasoning has been returned
  std::unique_ptr<ToolParser> channels_;  // reads the text in place of all this; null: none
};

}  // namespace ember
