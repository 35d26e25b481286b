// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "ember/text/reasoning_parser.h"
#include "text/tool_calls.h"

namespace ember {
namespace {

using test::options;
using test::Parsed;

struct Answer {
  std::string reasoning, content;
  std::vector<std::pair<std::string, std::string>> calls;
  bool operator==(const Answer&) const = default;
};

void PrintTo(const Answer& answer, std::ostream* out) {
  *out << "reasoning \"" << answer.reasoning << "\" content \"" << answer.content << '"';
  for (const auto& [name, arguments] : answer.calls) *out << " call " << name << ' ' << arguments;
}

Answer read(const std::vector<std::string>& pieces, bool constrained) {
  ToolParser parser(options("harmony", constrained));
  Answer answer;
  const auto add = [&](const ToolParser::Output& out) {
    answer.reasoning += out.reasoning;
    answer.content += out.content;
    for (const ToolCallDelta& delta : out.calls) {
      if (!delta.name.empty()) answer.calls.emplace_back(delta.name, "");
      answer.calls.back().second += delta.arguments;
    }
  };
  for (const std::string& piece : pieces) add(parser.push(piece));
  add(parser.finish());
  return answer;
}

// However the text is cut.
Answer read(const std::string& text, bool constrained = false) {
  const Answer whole = read(std::vector{text}, constrained);
  for (size_t cut = 0; cut <= text.size(); ++cut)
    EXPECT_EQ(read({text.substr(0, cut), text.substr(cut)}, constrained), whole) << cut << text;
  return whole;
}

const std::string kAnalysis =
    "<|channel|>analysis<|message|>A sum, 1 < 2.<|end|><|start|>assistant";
const std::string kFinal = "<|channel|>final<|message|>It is K\u00f6ln.";
const std::string kCall =
    "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": \"}\"}";

TEST(Harmony, ChannelsAreToldApart) {
  EXPECT_EQ(read(kFinal), (Answer{"", "It is K\u00f6ln.", {}}));
  EXPECT_EQ(read(kAnalysis + kFinal + "<|return|>"),
            (Answer{"A sum, 1 < 2.", "It is K\u00f6ln.", {}}));
  EXPECT_EQ(read(kAnalysis + kAnalysis + kFinal),
            (Answer{"A sum, 1 < 2.\nA sum, 1 < 2.", "It is K\u00f6ln.", {}}));
  EXPECT_EQ(read("<|channel|>commentary<|message|>I look.<|end|><|start|>assistant" + kCall),
            (Answer{"", "I look.", {{"f", R"({"a": "}"})"}}}));
  EXPECT_EQ(read("<|channel|>analysis<|message|>Cut <|en"), (Answer{"Cut <|en", "", {}}));
}

TEST(Harmony, Calls) {
  for (const bool constrained : {false, true}) {
    EXPECT_EQ(read(kAnalysis + kCall + "<|call|>", constrained),
              (Answer{"A sum, 1 < 2.", "", {{"f", R"({"a": "}"})"}}}));
    EXPECT_EQ(read(" to=functions.noop<|channel|>commentary json<|message|>{}", constrained),
              (Answer{"", "", {{"noop", "{}"}}}));
    EXPECT_EQ(read(kCall + "<|call|><|start|>assistant" + kCall, constrained).calls.size(), 2u);
  }
  EXPECT_EQ(read("<|channel|>analysis to=functions.noop<|message|> \n"),
            (Answer{"", "", {{"noop", "{}"}}}))
      << "no arguments are an empty object";
}

TEST(Harmony, WhatIsNoCallStaysText) {
  for (const std::string text :
       {"<|channel|>commentary to=functions.unknown <|constrain|>json<|message|>{}",
        "<|channel|>commentary to=functions.f<|message|>[1]",
        "<|channel|>analysis to=python<|message|>1",
        "<|channel|>commentary to=functions.f<|message|>{\"a\": ", "<|channel|>final", "Hello.",
        " to be", "assistant", ""})
    EXPECT_EQ(read(text), (Answer{"", text, {}}));
}

TEST(Harmony, ArgumentsGoOutAsTheyCome) {
  ToolParser parser(options("harmony", true));
  EXPECT_TRUE(parser.push("<|channel|>commentary to=functions.f<|mess").calls.empty());
  EXPECT_EQ(parser.push("age|>{\"a").calls.at(0).arguments, "{\"a");
  EXPECT_EQ(parser.push("\": 1}").calls.at(0).arguments, "\": 1}");
}

TEST(Harmony, Grammar) {
  const auto add = [](const std::string& name, const std::string& arguments) {
    return "<|channel|>commentary to=functions." + name + " <|constrain|>json<|message|>" +
           arguments;
  };
  const ToolGrammarSpec required = test::spec_of("harmony", true),
                        possible = test::spec_of("harmony", false);
  const std::string sum = add("add", R"({"a": 1, "b": 2})");
  for (const ToolGrammarSpec& spec : {required, possible}) {
    EXPECT_TRUE(test::accepts(spec, sum));
    EXPECT_TRUE(test::accepts(spec, kAnalysis + sum));
    EXPECT_TRUE(test::accepts(spec, "<|channel|>commentary to=functions.noop<|message|>{}"));
    EXPECT_FALSE(test::accepts(spec, kAnalysis));
    EXPECT_FALSE(test::accepts(spec, add("add", R"({"a": 1, "b": 200})")));
    EXPECT_FALSE(test::accepts(spec, add("sub", "{}")));
    EXPECT_FALSE(test::accepts(spec, sum + sum));
    EXPECT_FALSE(test::accepts(spec, "Hello."));
    EXPECT_EQ(test::accepts(spec, kAnalysis + kFinal), !spec.required);
  }
}

TEST(Harmony, TheParserReadsWhatTheGrammarAllows) {
  test::expect_parser_reads_grammar("harmony", 4);
}

TEST(Harmony, AFormatBindsTheFinalMessage) {
  for (const bool open : {false, true}) {
    const GrammarSource source =
        in_final_channel({GrammarKind::kRegex, "[a-z]{3}"}, open, test::demo());
    const auto grammar = test::compiler().compile(source, "format");
    ASSERT_TRUE(grammar.ok()) << grammar.error().message;
    const auto accepts = [&](const std::string& text) {
      return test::accepts(*grammar.value(), test::demo(), text, test::demo_eos());
    };
    const std::string final = "<|channel|>final<|message|>";
    EXPECT_EQ(accepts(final + "yes"), !open);
    EXPECT_TRUE(open || accepts(kAnalysis + final + "yes"));
    EXPECT_EQ(accepts("so.<|end|><|start|>assistant" + final + "yes"), open);
    EXPECT_FALSE(accepts("yes"));
    EXPECT_FALSE(accepts(final + "yes!"));
  }
}

}  // namespace
}  // namespace ember
