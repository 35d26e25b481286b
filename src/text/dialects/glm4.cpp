// SPDX-License-Identifier: Apache-2.0
// GLM-4: a function's name, a new line and its arguments, a JSON object, are the whole answer.
#include <fmt/format.h>

#include <algorithm>

#include "dialects/grammar_rules.h"
#include "dialects/json_calls.h"
#include "dialects/table.h"
#include "ember/text/tool_grammar.h"

namespace ember {

namespace {

class Reader final : public JsonCallReader {
 public:
  explicit Reader(CallSink& sink) : JsonCallReader(sink, Place::kWholeAnswer) {}

 private:
  bool before_call(bool at_end) override {
    const size_t end = held_.find('\n');
    const std::string_view line =
        std::string_view(held_).substr(0, scan::trim_end(held_, std::min(end, held_.size())));
    const bool may_become =
        std::any_of(sink_.functions().begin(), sink_.functions().end(),
                    [&](const std::string& name) { return name.starts_with(line); });
    if (end == std::string::npos && may_become && !at_end) return false;
    const bool begins = end != std::string::npos && sink_.is_function(line);
    state_ = begins ? State::kCall : State::kRest;
    if (begins) {
      name_ = line;
      opening_ = end + 1;
    } else if (end == 0 && sink_.num_calls() == 0) {
      held_.erase(0, 1);  // an answer in words begins with an empty line
    }
    return true;
  }

  bool after_call(size_t at, bool) override {
    held_.erase(0, at);
    state_ = State::kBefore;
    return true;
  }
};

// GLM-4.5 has the same roles and writes <arg_key>; templates with <tool_call> teach that.
bool is_taught_by(std::string_view source) {
  const auto has = [&](std::string_view text) {
    return source.find(text) != std::string_view::npos;
  };
  return has("<|observation|>") && !has("<arg_key>") && !has("<tool_call>");
}

std::string grammar(const ToolGrammarSpec& spec, const Tokenizer&, GrammarSource& source) {
  std::string calls, names;
  for (size_t i = 0; i < spec.functions.size(); ++i) {
    const std::string& name = spec.functions[i].name;
    calls += fmt::format("{}{} args_{}", i == 0 ? "" : " | ", lark::literal(name + "\n"), i);
    names += fmt::format("{}{}", i == 0 ? "" : "|", lark::escaped(name));
  }
  if (spec.required) return calls;
  source.text += fmt::format("TEXT: /{0}/ & ~/({1})\\n{0}/\n", lark::kAny, names);
  return "TEXT | " + calls;
}

}  // namespace

constinit const ToolDialect kGlm4 = {
    .name = "glm4",
    .markers = {},
    .is_taught_by = is_taught_by,
    .grammar = grammar,
    .make_reader = [](CallSink& sink) -> std::unique_ptr<CallReader> {
      return std::make_unique<Reader>(sink);
    },
    .make_id = default_call_id,
};

}  // namespace ember
