// SPDX-License-Identifier: Apache-2.0
// DeepSeek. V3.1: a section of calls, each a name, a mark and its arguments. V3 and R1 write the
// word "function" before that mark and, behind it, the name and the arguments as a block of code.
#include <fmt/format.h>

#include "dialects/grammar_rules.h"
#include "dialects/json_calls.h"
#include "dialects/table.h"
#include "ember/text/tool_grammar.h"

namespace ember {

namespace {

using scan::Found;

constexpr std::string_view kSection = "<｜tool▁calls▁begin｜>",
                           kSectionEnd = "<｜tool▁calls▁end｜>", kCall = "<｜tool▁call▁begin｜>",
                           kCallEnd = "<｜tool▁call▁end｜>", kSeparator = "<｜tool▁sep｜>";
constexpr std::string_view kMarkers[] = {kSection, kSectionEnd, kCall, kCallEnd, kSeparator};

// What stands around a call's name and arguments, between the marks of the call.
struct Form {
  std::string_view name_begin, name_end, arguments_end;
};
constexpr Form kPlain = {"", kSeparator, ""};
constexpr Form kCode = {"function<｜tool▁sep｜>", "\n```json\n", "\n```"};

class Reader final : public JsonCallReader {
 public:
  Reader(CallSink& sink, const Form& form) : JsonCallReader(sink, Place::kInText), form_(form) {}

 private:
  bool before_call(bool at_end) override { return find_marker(kSection, at_end); }

  Found find_object(size_t& at) override {
    at = scan::skip_space(held_, opening_);
    for (const std::string_view mark : {kCall, form_.name_begin}) {
      const Found found = scan::literal(std::string_view(held_).substr(at), mark);
      if (found != Found::kYes) return found;
      at += mark.size();
    }
    const size_t end = held_.find(form_.name_end, at);
    if (end == std::string::npos) return Found::kMore;
    name_ = held_.substr(at, end - at);
    at = scan::skip_space(held_, end + form_.name_end.size());
    if (name_.empty()) return Found::kNo;
    return at < held_.size() ? Found::kYes : Found::kMore;
  }

  // The end of the answer may have cut off what comes here.
  bool after_call(size_t at, bool at_end) override {
    for (const std::string_view mark : {scan_code_end(), kCallEnd}) {
      at = scan::skip_space(held_, at);
      const Found found = scan::literal(std::string_view(held_).substr(at), mark);
      if (found == Found::kMore && !at_end) return false;
      if (found == Found::kYes) at += mark.size();
    }
    at = scan::skip_space(held_, at);
    const std::string_view rest = std::string_view(held_).substr(at);
    const Found next = scan::literal(rest, kCall), end = scan::literal(rest, kSectionEnd);
    if ((next == Found::kMore || end == Found::kMore) && !at_end) return false;
    held_.erase(0, at + (end == Found::kYes ? kSectionEnd.size() : 0));
    opening_ = 0;
    state_ = next == Found::kYes ? State::kCall : State::kBefore;
    return true;
  }

  std::string_view scan_code_end() const { return form_.arguments_end.empty() ? "" : "```"; }

  const Form& form_;
};

std::string grammar_of(const Form& form, const ToolGrammarSpec& spec, const Tokenizer& tokenizer,
                       std::string& rules) {
  const auto mark = [&](std::string_view text) {
    return lark::special(tokenizer, text).value_or(lark::literal(text));
  };
  // Text in which the separator may stand.
  const auto with_mark = [&](std::string_view text) {
    const size_t at = text.find(kSeparator);
    if (at == std::string_view::npos) return text.empty() ? "" : lark::literal(text);
    const std::string before = at == 0 ? "" : lark::literal(text.substr(0, at)) + " ";
    return before + mark(kSeparator);
  };
  rules += "one_call: ";
  for (size_t i = 0; i < spec.functions.size(); ++i)
    rules +=
        fmt::format("{}{} {} {} {} args_{} {} {}", i == 0 ? "" : " | ", mark(kCall),
                    with_mark(form.name_begin), lark::literal(spec.functions[i].name),
                    with_mark(form.name_end), i, with_mark(form.arguments_end), mark(kCallEnd));
  const char* more = !spec.parallel               ? ""
                     : form.arguments_end.empty() ? " one_call*"
                                                  : " (\"\\n\"? one_call)*";
  rules += fmt::format("\nbody: one_call{} {}\n", more, mark(kSectionEnd));
  if (spec.required) return mark(kSection) + " body";
  const std::string section(kSection);
  lark::define_text_without(rules, tokenizer, section);
  return fmt::format("TEXT | {} body", lark::text_until(rules, tokenizer, section));
}

template <const Form& kForm>
std::string grammar(const ToolGrammarSpec& spec, const Tokenizer& tokenizer,
                    GrammarSource& source) {
  std::string& rules = source.text;
  return grammar_of(kForm, spec, tokenizer, rules);
}

template <const Form& kForm>
std::unique_ptr<CallReader> reader(CallSink& sink) {
  return std::make_unique<Reader>(sink, kForm);
}

bool has(std::string_view source, std::string_view text) {
  return source.find(text) != std::string_view::npos;
}

}  // namespace

constinit const ToolDialect kDeepseekV31 = {
    .name = "deepseek_v31",
    .markers = kMarkers,
    .is_taught_by =
        [](std::string_view source) { return has(source, kSection) && has(source, kSeparator); },
    .grammar = grammar<kPlain>,
    .make_reader = reader<kPlain>,
    .make_id = default_call_id,
};

constinit const ToolDialect kDeepseekV3 = {
    .name = "deepseek_v3",
    .markers = kMarkers,
    .is_taught_by =
        [](std::string_view source) {
          return has(source, kSection) && has(source, kSeparator) && has(source, "```json");
        },
    .grammar = grammar<kCode>,
    .make_reader = reader<kCode>,
    .make_id = default_call_id,
};

}  // namespace ember
