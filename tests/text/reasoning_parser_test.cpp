// SPDX-License-Identifier: Apache-2.0
#include "ember/text/reasoning_parser.h"

#include <gmock/gmock.h>

#include <random>

namespace ember {
namespace {

struct Parts {
  std::string reasoning, content;
  bool operator==(const Parts&) const = default;
};

void PrintTo(const Parts& parts, std::ostream* out) {
  *out << "reasoning \"" << parts.reasoning << "\" content \"" << parts.content << '"';
}

Parts parse(const std::vector<std::string>& pieces, const std::string& name, bool open) {
  ReasoningParser parser(reasoning_style_by_name(name).value(), open);
  Parts all;
  const auto add = [&](const ReasoningParser::Output& out) {
    all.reasoning += out.reasoning;
    all.content += out.content;
  };
  for (const std::string& piece : pieces) add(parser.push(piece));
  add(parser.finish());
  return all;
}

Parts parse(const std::string& text, const std::string& name = "qwen3", bool open = false) {
  return parse(std::vector{text}, name, open);
}

TEST(ReasoningParser, SplitsAtTheMarkers) {
  EXPECT_EQ(parse("<think>\nhm\n</think>\n\nYes."), (Parts{"hm", "Yes."}));
  EXPECT_EQ(parse("\n<think>a</think>b"), (Parts{"a", "b"}));
  EXPECT_EQ(parse("<think>\n\n</think>\n\nYes."), (Parts{"", "Yes."}));
  EXPECT_EQ(parse("[THINK]a[/THINK]b", "mistral"), (Parts{"a", "b"}));
  EXPECT_EQ(parse("[THINK]a[/THINK]b"), (Parts{"", "[THINK]a[/THINK]b"}));
}

TEST(ReasoningParser, OnlyAtTheBeginning) {
  EXPECT_EQ(parse(" Yes. <think>a</think>"), (Parts{"", " Yes. <think>a</think>"}));
  EXPECT_EQ(parse("<think>a</think>b<think>c</think>"), (Parts{"a", "b<think>c</think>"}));
  EXPECT_EQ(parse("a</think>b"), (Parts{"", "a</think>b"}));
}

TEST(ReasoningParser, OpenedByThePrompt) {
  EXPECT_EQ(parse("hm\n</think>\n\nYes.", "qwen3", true), (Parts{"hm", "Yes."}));
  EXPECT_EQ(parse("hm</think>Yes.", "deepseek_r1"), (Parts{"hm", "Yes."}));
  EXPECT_EQ(parse("<think>\nhm</think>Yes.", "deepseek_r1"), (Parts{"hm", "Yes."}));
}

TEST(ReasoningParser, NeverClosed) {
  EXPECT_EQ(parse("<think>hm, </thi"), (Parts{"hm, </thi", ""}));
  EXPECT_EQ(parse("<thi"), (Parts{"", "<thi"}));
  EXPECT_EQ(parse(" "), (Parts{"", " "}));
  EXPECT_EQ(parse(""), (Parts{"", ""}));
}

TEST(ReasoningParser, Channels) {
  const std::string analysis = "<|channel|>analysis<|message|>a<|end|><|start|>assistant";
  EXPECT_EQ(parse(analysis + "<|channel|>final<|message|>b", "harmony"), (Parts{"a", "b"}));
  EXPECT_EQ(parse("a<|end|><|start|>assistant<|channel|>final<|message|>b", "harmony", true),
            (Parts{"a", "b"}));
  const std::string call = "<|channel|>commentary to=functions.f<|message|>{}";
  EXPECT_EQ(parse(analysis + call, "harmony"), (Parts{"a", call}));
}

TEST(ReasoningParser, Detected) {
  EXPECT_EQ(detect_reasoning_style("{{ content.split('</think>')[-1] }}").value().end, "</think>");
  const std::pair<const char*, const char*> shown[] = {
      {"[THINK]{{ x }}[/THINK]", "[THINK]"},
      {"{{ '<seed:think>' + x + '</seed:think>' }}", "<seed:think>"},
      {"<|START_THINKING|>{{ plan }}<|END_THINKING|>", "<|START_THINKING|>"},
      {"{% set open = '<|inner_prefix|>' %}{% set close = '<|inner_suffix|>' %}",
       "<|inner_prefix|>"},
      {"{{ '<|channel>thought\n' + x + '<channel|>' }}", "<|channel>thought"},
      {"<mm:think>{{ x }}</mm:think>", "<mm:think>"},
      {"<|start|>assistant<|channel|>analysis<|message|>{{ x }}</think>",
       "<|channel|>analysis<|message|>"},
      {"{% if add_generation_prompt %}]~b]ai\n<think>\n{% endif %}{{ c.split('</think>') }}",
       "<think>"}};
  for (const auto& [source, begin] : shown)
    EXPECT_EQ(detect_reasoning_style(source).value().begin, begin);
  EXPECT_FALSE(
      detect_reasoning_style("Here are my reasoning steps:\n<thinking>{{ x }}</thinking>"));
  EXPECT_FALSE(detect_reasoning_style("{{ content }}"));
  EXPECT_FALSE(reasoning_style_by_name("none"));
  EXPECT_THAT(reasoning_style_names(), testing::Contains("deepseek_r1"));
}

TEST(ReasoningParser, AnySplitGivesTheSame) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  const std::vector<std::string> fragments = {"<think>",
                                              "</think>",
                                              "<thi",
                                              "nk>",
                                              "</",
                                              " ",
                                              "\n",
                                              "\n\n",
                                              "word",
                                              "<",
                                              ">",
                                              "é",
                                              "[THINK]",
                                              "[/THINK]",
                                              "<|channel|>analysis<|message|>",
                                              "<|end|>",
                                              "<|start|>assistant",
                                              "<|channel|>final<|message|>"};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (uint64_t n = rng() % 9; n > 0; --n) text += fragments[rng() % fragments.size()];
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      pieces.push_back(text.substr(at, 1 + rng() % 4));
      at += pieces.back().size();
    }
    const bool open = rng() % 2 == 0;
    const std::string name = reasoning_style_names()[rng() % reasoning_style_names().size()];
    ASSERT_EQ(parse(pieces, name, open), parse(text, name, open)) << name << open << " " << text;
  }
}

}  // namespace
}  // namespace ember
