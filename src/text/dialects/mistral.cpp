// SPDX-License-Identifier: Apache-2.0
// Mistral: [TOOL_CALLS][{"name": "f", "arguments": {...}}, ...], or [TOOL_CALLS]f[ARGS]{...} as
// later models write it, perhaps after some text.
#include <fmt/format.h>

#include <algorithm>

#include "dialects/grammar_rules.h"
#include "dialects/json_calls.h"
#include "dialects/table.h"
#include "ember/text/tool_grammar.h"

namespace ember {

namespace {

using scan::Found;

constexpr std::string_view kOpen = "[TOOL_CALLS]", kCallId = "[CALL_ID]", kArgs = "[ARGS]";
constexpr std::string_view kMarkers[] = {kOpen, kCallId, kArgs};

class Reader final : public JsonCallReader {
 public:
  explicit Reader(CallSink& sink) : JsonCallReader(sink, Place::kInText) {}

 private:
  bool before_call(bool at_end) override {
    in_list_ = false;
    return find_marker(kOpen, at_end);
  }

  Found find_object(size_t& at) override {
    if (const Found found = JsonCallReader::find_object(at); found != Found::kYes || in_list_)
      return found;
    if (held_[at] == '[') {
      in_list_ = true;
      opening_ = at + 1;
      return JsonCallReader::find_object(at);
    }
    const size_t object = held_.find('{', at);
    if (object == std::string::npos) return Found::kMore;
    name_ =
        held_.substr(at, std::min({object, held_.find(kCallId, at), held_.find(kArgs, at)}) - at);
    name_.resize(scan::trim_end(name_, name_.size()));
    at = object;
    return Found::kYes;
  }

  bool after_call(size_t at, bool) override {
    if (in_list_) {
      const char c = held_[at];
      in_list_ = c == ',';
      if (c == ',' || c == ']') held_.erase(0, at + 1);
      opening_ = 0;
    }
    state_ = in_list_ ? State::kCall : State::kBefore;
    return true;
  }

  bool in_list_ = false;  // between [ and ]
};

bool is_taught_by(std::string_view source) { return source.find(kOpen) != std::string_view::npos; }

std::string mark(const Tokenizer& tokenizer, std::string_view text) {
  return lark::special(tokenizer, text).value_or(lark::literal(text));
}

// Either form, all calls in the same one.
std::string grammar(const ToolGrammarSpec& spec, const Tokenizer& tokenizer,
                    GrammarSource& source) {
  std::string& rules = source.text;
  using lark::kSpace;
  lark::define_object_rest(rules, spec.functions, "arguments");
  rules += fmt::format("OBJECT_BEGIN: /\\x7B{}\\x22name\\x22/\n", kSpace);
  rules += lark::terminal("LIST_BEGIN", fmt::format("{0}\\x5B{0}", kSpace));
  rules += lark::terminal("COMMA", fmt::format("{0},{0}", kSpace));
  rules += lark::terminal("LIST_END", fmt::format("{}\\x5D", kSpace));
  rules += "object: OBJECT_BEGIN object_rest\n";
  rules +=
      fmt::format("list: LIST_BEGIN object{} LIST_END\n", spec.parallel ? " (COMMA object)*" : "");
  rules += "named: ";
  for (size_t i = 0; i < spec.functions.size(); ++i)
    rules += fmt::format("{}{} {} args_{}", i == 0 ? "" : " | ",
                         lark::literal(spec.functions[i].name), mark(tokenizer, kArgs), i);
  rules += fmt::format("\ncalls: list | named{}\n",
                       spec.parallel ? fmt::format(" ({} named)*", mark(tokenizer, kOpen)) : "");
  if (spec.required) return mark(tokenizer, kOpen) + " calls";
  const std::string marker(kOpen);
  lark::define_text_without(rules, tokenizer, marker);
  return fmt::format("TEXT | {} calls", lark::text_until(rules, tokenizer, marker));
}

// The family's templates take ids of nine letters and digits only.
std::string make_id(uint64_t random) {
  constexpr std::string_view kCharacters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string id;
  for (uint64_t rest = random; id.size() < 9; rest /= kCharacters.size())
    id.push_back(kCharacters[rest % kCharacters.size()]);
  return id;
}

}  // namespace

constinit const ToolDialect kMistral = {
    .name = "mistral",
    .markers = kMarkers,
    .is_taught_by = is_taught_by,
    .grammar = grammar,
    .make_reader = [](CallSink& sink) -> std::unique_ptr<CallReader> {
      return std::make_unique<Reader>(sink);
    },
    .make_id = make_id,
};

}  // namespace ember
