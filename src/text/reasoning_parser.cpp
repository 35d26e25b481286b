// SPDX-License-Identifier: Apache-2.0
#include "ember/text/reasoning_parser.h"

#include <algorithm>
#include <utility>

#include "ember/text/tool_parser.h"
#include "scan.h"

namespace ember {

namespace {

const std::pair<std::string_view, ReasoningStyle> kStyles[] = {
    {"deepseek_r1", {"<think>", "</think>", true}},
    {"qwen3", {"<think>", "</think>", false}},
    {"glm45", {"<think>", "</think>", false}},
    {"mistral", {"[THINK]", "[/THINK]", false}},
    {"seed_oss", {"<seed:think>", "</seed:think>", false}},
    {"cohere", {"<|START_THINKING|>", "<|END_THINKING|>", false}},
    {"apertus", {"<|inner_prefix|>", "<|inner_suffix|>", false}},
    {"gemma4", {"<|channel>thought", "<channel|>", false}},
    {"minimax_m3", {"<mm:think>", "</mm:think>", false}},
    {"harmony", {"<|channel|>analysis<|message|>", "<|end|>", false, true}}};

// Those that a template shows, the most widespread one last: others may mention it.
constexpr const char* kShown[] = {"harmony", "mistral", "seed_oss",   "cohere",
                                  "apertus", "gemma4",  "minimax_m3", "qwen3"};

ReasoningParser::Output parts_of(ToolParser::Output out) {
  return {.reasoning = std::move(out.reasoning), .content = std::move(out.content)};
}

}  // namespace

std::optional<ReasoningStyle> reasoning_style_by_name(std::string_view name) {
  for (const auto& [known, style] : kStyles)
    if (known == name) return style;
  return std::nullopt;
}

std::vector<std::string> reasoning_style_names() {
  std::vector<std::string> names;
  for (const auto& [name, style] : kStyles) names.emplace_back(name);
  return names;
}

std::optional<ReasoningStyle> detect_reasoning_style(std::string_view source) {
  for (const char* name : kShown) {
    const std::optional<ReasoningStyle> style = reasoning_style_by_name(name);
    const std::string& mark = style->channels ? style->begin : style->end;
    if (source.find(mark) != std::string_view::npos) return style;
  }
  return std::nullopt;
}

ReasoningParser::ReasoningParser(ReasoningStyle style, bool open)
    : style_(std::move(style)),
      state_(open || style_.always_open ? State::kReasoning : State::kStart) {
  if (!style_.channels) return;
  channels_ = std::make_unique<ToolParser>(
      ToolParser::Options{.dialect = tool_dialect_by_name("harmony"), .functions = {}});
  if (open) channels_->push(style_.begin);
}
ReasoningParser::ReasoningParser(ReasoningParser&&) noexcept = default;
ReasoningParser::~ReasoningParser() = default;

bool ReasoningParser::reasoning() const {
  return channels_ ? channels_->reasoning() : state_ == State::kReasoning;
}

ReasoningParser::Output ReasoningParser::push(std::string_view text) {
  if (channels_) return parts_of(channels_->push(text));
  Output out;
  held_.append(text);
  while (advance(out, false)) continue;
  return out;
}

ReasoningParser::Output ReasoningParser::finish() {
  if (channels_) return parts_of(channels_->finish());
  Output out;
  while (advance(out, true)) continue;
  return out;
}

bool ReasoningParser::advance(Output& out, bool at_end) {
  if (held_.empty()) return false;
  switch (state_) {
    case State::kStart: {
      const size_t first = scan::skip_space(held_, 0);
      const scan::Found begin = scan::literal(std::string_view(held_).substr(first), style_.begin);
      if (begin == scan::Found::kMore && !at_end) return false;
      state_ = begin == scan::Found::kYes ? State::kReasoning : State::kContent;
      if (begin == scan::Found::kYes) held_.erase(0, first + style_.begin.size());
      return true;
    }
    case State::kReasoning:
      return find_end(out, at_end);
    case State::kAfter:
      held_.erase(0, scan::skip_space(held_, 0));
      if (held_.empty()) return false;
      state_ = State::kContent;
      return true;
    case State::kContent:
      out.content += std::exchange(held_, {});
      return false;
  }
  return false;
}

bool ReasoningParser::find_end(Output& out, bool at_end) {
  // A model that writes the first marker though the prompt had it already means the same.
  if (!has_output_) {
    held_.erase(0, scan::skip_space(held_, 0));
    const scan::Found begin = scan::literal(held_, style_.begin);
    if (begin == scan::Found::kMore && !at_end) return false;
    if (begin == scan::Found::kYes) held_.erase(0, style_.begin.size());
    if (begin == scan::Found::kYes) return true;
  }
  const size_t end = held_.find(style_.end);
  if (end != std::string::npos) {
    out.reasoning.append(held_, 0, scan::trim_end(held_, end));
    held_.erase(0, end + style_.end.size());
    state_ = State::kAfter;
    return true;
  }
  const size_t sure = at_end
                          ? held_.size()
                          : scan::trim_end(held_, held_.size() - scan::overlap(held_, style_.end));
  has_output_ = has_output_ || sure > 0;
  out.reasoning.append(held_, 0, sure);
  held_.erase(0, sure);
  return false;
}

}  // namespace ember
