// SPDX-License-Identifier: Apache-2.0
// Hermes and Qwen: <tool_call>{"name": "f", "arguments": {...}}</tool_call>, perhaps after some
// text; several calls follow one another.
#include <fmt/format.h>

#include "dialects/grammar_rules.h"
#include "dialects/json_calls.h"
#include "dialects/table.h"
#include "ember/text/tool_grammar.h"

namespace ember {

namespace {

using scan::Found;

constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";
constexpr std::string_view kMarkers[] = {kOpen, kClose};

class Reader final : public JsonCallReader {
 public:
  explicit Reader(CallSink& sink) : JsonCallReader(sink, Place::kInText) {}

 private:
  bool before_call(bool at_end) override { return find_marker(kOpen, at_end); }
  // The end of the answer may have cut off the closing marker.
  bool after_call(size_t at, bool at_end) override {
    const Found end = scan::literal(std::string_view(held_).substr(at), kClose);
    if (end == Found::kMore && !at_end) return false;
    if (end == Found::kYes) held_.erase(0, at + kClose.size());
    state_ = State::kBefore;
    return true;
  }
};

// Others have the same markers around other texts.
bool is_taught_by(std::string_view source) {
  const auto has = [&](std::string_view text) {
    return source.find(text) != std::string_view::npos;
  };
  return has(kOpen) && !has("<arg_key>") && !has("<function=") && !has("<function name") &&
         !has("<invoke") && !has("<tool_calls>");
}

std::string grammar(const ToolGrammarSpec& spec, const Tokenizer& tokenizer,
                    GrammarSource& source) {
  std::string& rules = source.text;
  const std::string open(kOpen);
  const std::string opening = lark::special(tokenizer, open).value_or(lark::literal(open));
  const std::string closing = lark::special(tokenizer, kClose).value_or(lark::literal(kClose));
  lark::define_object_rest(rules, spec.functions, "arguments");
  rules += fmt::format("OBJECT_BEGIN: /{0}\\x7B{0}\\x22name\\x22/\n", lark::kSpace);
  rules += lark::terminal("SPACE", lark::kSpace);
  rules += fmt::format("body: OBJECT_BEGIN object_rest SPACE {}\n", closing);
  const std::string more = spec.parallel ? fmt::format(" (SPACE {} body)*", opening) : "";
  if (spec.required) return fmt::format("SPACE {} body{}", opening, more);
  lark::define_text_without(rules, tokenizer, open);
  return fmt::format("TEXT | {} body{}", lark::text_until(rules, tokenizer, open), more);
}

}  // namespace

constinit const ToolDialect kHermes = {
    .name = "hermes",
    .markers = kMarkers,
    .is_taught_by = is_taught_by,
    .grammar = grammar,
    .make_reader = [](CallSink& sink) -> std::unique_ptr<CallReader> {
      return std::make_unique<Reader>(sink);
    },
    .make_id = default_call_id,
};

}  // namespace ember
