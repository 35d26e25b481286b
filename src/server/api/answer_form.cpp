// SPDX-License-Identifier: Apache-2.0
#include "api/answer_form.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "ember/text/tool_grammar.h"

namespace ember {

namespace {

// The prompt ends with the marker that begins reasoning.
bool opens_reasoning(const ReasoningStyle& style, std::string_view prompt) {
  const size_t end = prompt.find_last_not_of(" \n\r\t");
  return end != std::string_view::npos && prompt.substr(0, end + 1).ends_with(style.begin);
}

// The text that an answer goes on with: of parts the last.
std::string_view last_text(const Message& message) {
  if (const auto* text = std::get_if<std::string>(&message.content)) return *text;
  const auto* texts = std::get_if<std::vector<std::string>>(&message.content);
  return texts != nullptr && !texts->empty() ? std::string_view(texts->back()) : "";
}

// A message that is continued has its reasoning behind it, unless that is what it stops in.
void continue_reasoning(const Message& message, ChatText::Options& text) {
  const std::string_view said = last_text(message);
  const size_t begun = said.rfind(text.reasoning->begin), ended = said.rfind(text.reasoning->end);
  text.reasoning_open =
      begun != std::string_view::npos && (ended == std::string_view::npos || ended < begun);
  if (!text.reasoning_open) text.reasoning.reset();
}

// What ends the reasoning that the answer begins with; empty: it does not have to begin so.
std::string reasoning_end(const ChatText::Options& text) {
  const bool comes_first = text.reasoning && !text.reasoning->channels &&
                           (text.reasoning_open || text.reasoning->always_open);
  return comes_first ? text.reasoning->end : "";
}

// What binds an answer that may call tools; null: nothing. Where calls are only possible, schemas
// that cannot be honoured bind nothing, and neither does a grammar where the model may reason
// first.
Result<std::shared_ptr<const Grammar>> compile_tools(const ServedModel& model,
                                                     const ToolParams& tools,
                                                     const ChatText::Options& text) {
  const std::string end = reasoning_end(text);
  if (!tools.required && text.reasoning && end.empty()) return std::shared_ptr<const Grammar>();
  const ToolGrammarSpec spec{.dialect = text.tools->dialect,
                             .functions = tools.callable,
                             .required = tools.required,
                             .parallel = tools.parallel};
  GrammarSource source = tool_grammar(spec, *model.tokenizer);
  if (!end.empty()) source = after_reasoning(std::move(source), end, *model.tokenizer);
  Result<std::shared_ptr<const Grammar>> grammar = model.grammars->compile(source, "tools");
  if (!grammar.ok() && grammar.error().kind == ErrorKind::kInvalid && !tools.required)
    return std::shared_ptr<const Grammar>();
  return grammar;
}

}  // namespace

Result<void> check_tools(const ServedModel& model, const ChatRequest& request) {
  if (request.tools.callable.empty()) return {};
  if (const std::optional<OutputFormat>& format = request.params.format)
    return invalid(
        format->field,
        format->field + " is not possible with tools that may be called: set tool_choice to none.");
  if (model.tool_dialect) return {};
  return invalid("tools",
                 fmt::format("How this model writes tool calls is not known: leave tools out, "
                             "set tool_choice to none, or start the server with "
                             "--tool-call-parser ({}).",
                             fmt::join(tool_dialect_names(), ", ")),
                 "unsupported_parameter");
}

Result<AnswerForm> form_of_chat(const ServedModel& model, const ChatRequest& request,
                                std::string_view prompt) {
  AnswerForm form;
  form.text.reasoning = model.reasoning_style;
  if (form.text.reasoning && request.continue_final_message)
    continue_reasoning(request.messages.back(), form.text);
  else if (form.text.reasoning)
    form.text.reasoning_open = opens_reasoning(*form.text.reasoning, prompt);
  const bool calls = !request.tools.callable.empty();
  if (calls) {
    ToolParser::Options& tools = form.text.tools.emplace();
    tools.dialect = model.tool_dialect;
    tools.parallel = request.tools.parallel;
    for (const ToolFunction& function : request.tools.callable) {
      tools.functions.push_back(function.name);
      tools.parameters.push_back(function.parameters);
    }
  }
  Result<std::shared_ptr<const Grammar>> grammar =
      calls ? compile_tools(model, request.tools, form.text)
            : compile_format(model, request.params.format, form.text);
  if (!grammar.ok()) return grammar.error();
  form.grammar = std::move(grammar).value();
  if (calls) form.text.tools->constrained = form.grammar != nullptr;
  return form;
}

Result<std::shared_ptr<const Grammar>> compile_format(const ServedModel& model,
                                                      const std::optional<OutputFormat>& format,
                                                      const ChatText::Options& text) {
  if (!format) return std::shared_ptr<const Grammar>();
  GrammarSource source = format->source;
  if (text.reasoning && text.reasoning->channels)
    source = in_final_channel(std::move(source), text.reasoning_open, *model.tokenizer);
  else if (const std::string end = reasoning_end(text); !end.empty())
    source = after_reasoning(std::move(source), end, *model.tokenizer);
  return model.grammars->compile(source, format->field);
}

}  // namespace ember
