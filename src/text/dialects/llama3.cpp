// SPDX-License-Identifier: Apache-2.0
// Llama 3 and 4: {"name": "f", "parameters": {...}} is the whole answer, perhaps after
// <|python_tag|>, or <|python_start|> and <|python_end|>; several calls are separated by ; or a new
// line.
#include <fmt/format.h>

#include "dialects/grammar_rules.h"
#include "dialects/json_calls.h"
#include "dialects/table.h"
#include "ember/text/tool_grammar.h"

namespace ember {

namespace {

using scan::Found;

constexpr std::string_view kPythonTag = "<|python_tag|>";
constexpr std::string_view kMarkers[] = {kPythonTag, "<|python_start|>", "<|python_end|>"};

class Reader final : public JsonCallReader {
 public:
  explicit Reader(CallSink& sink) : JsonCallReader(sink, Place::kWholeAnswer) {}

 private:
  bool before_call(bool at_end) override {
    size_t at = scan::skip_space(held_, 0);
    bool marked = false;
    for (const std::string_view marker : kMarkers) {
      const Found found = scan::literal(std::string_view(held_).substr(at), marker);
      if (found == Found::kMore && !at_end) return false;
      if (found == Found::kYes) at = scan::skip_space(held_, at + marker.size());
      marked = marked || found == Found::kYes;
    }
    if (at == held_.size() && !at_end) return false;
    state_ = marked || held_[at] == '{' ? State::kCall : State::kRest;
    opening_ = at;
    return true;
  }

  bool after_call(size_t at, bool) override {
    if (held_[at] == ';' || held_[at] == ',') at = scan::skip_space(held_, at + 1);
    if (at == held_.size()) return false;
    state_ = held_[at] == '{' ? State::kCall : State::kRest;
    opening_ = at;
    return true;
  }
};

// The names of tools are called so in lists of them too; some who have those write calls otherwise.
bool is_taught_by(std::string_view source) {
  const auto has = [&](std::string_view text) {
    return source.find(text) != std::string_view::npos;
  };
  return has("{\"name\": ") && has("\"parameters\": ") && !has("\"tool_name\"") &&
         !has("<|tool_call") && !has("function_calls>") && !has("<function=");
}

// A text must not begin as a call does.
std::string grammar(const ToolGrammarSpec& spec, const Tokenizer& tokenizer,
                    GrammarSource& source) {
  std::string& rules = source.text;
  const std::string begin = fmt::format("{0}\\x7B{0}\\x22name\\x22", lark::kSpace);
  const std::string separator = fmt::format("{0}[;\\n]{0}\\x7B{0}\\x22name\\x22", lark::kSpace);
  lark::define_object_rest(rules, spec.functions, "parameters");
  rules += lark::terminal("OBJECT_BEGIN", begin);
  rules += lark::terminal("NEXT_BEGIN", separator);
  rules += fmt::format("calls: OBJECT_BEGIN object_rest{}\n",
                       spec.parallel ? " (NEXT_BEGIN object_rest)*" : "");
  std::string start = "calls";
  if (const auto tag = lark::special(tokenizer, kPythonTag))
    start += fmt::format(" | {} calls", *tag);
  if (spec.required) return start;
  rules += fmt::format("TEXT: /{0}/ & ~/{1}{0}/\n", lark::kAny, begin);
  return "TEXT | " + start;
}

}  // namespace

constinit const ToolDialect kLlama3 = {
    .name = "llama3_json",
    .markers = kMarkers,
    .is_taught_by = is_taught_by,
    .grammar = grammar,
    .make_reader = [](CallSink& sink) -> std::unique_ptr<CallReader> {
      return std::make_unique<Reader>(sink);
    },
    .make_id = default_call_id,
};

}  // namespace ember
