// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "dialects/tagged_calls.h"
#include "text/tool_calls.h"

namespace ember {
namespace {

// Tags of which some are special tokens of the demo model, as they are of other models' own.
TEST(TaggedGrammar, TagsThatAreSpecialTokens) {
  const CallTags tags = {.open = "<|python_tag|>",
                         .name_begin = "",
                         .name_end = "",
                         .key_begin = "<k>",
                         .key_end = "</k>",
                         .value_begin = "<v>",
                         .value_end = "<|eom_id|>",
                         .call_end = "",
                         .close = "<|end_of_text|>"};
  const ToolGrammarSpec spec = test::spec_of("glm45", true);
  GrammarSource source{GrammarKind::kLark, ""};
  const std::string start = tagged_grammar(tags, spec, test::demo(), source);
  source.text = "start: " + start + "\n" + source.text;
  const auto grammar = test::compiler().compile(source, "tools");
  ASSERT_TRUE(grammar.ok()) << grammar.error().message;
  const auto accepts = [&](const std::string& text) {
    return test::accepts(*grammar.value(), test::demo(), text, test::demo_eos());
  };
  EXPECT_TRUE(
      accepts("<|python_tag|>get_weather\n<k>city</k>\n<v>a</v> <b<|eom_id|>\n<|end_of_text|>"));
  EXPECT_TRUE(
      accepts("<|python_tag|>add<k>a</k><v>1<|eom_id|><k>b</k><v>2<|eom_id|><|end_of_text|>"));
  EXPECT_FALSE(
      accepts("<|python_tag|>add<k>a</k><v>x<|eom_id|><k>b</k><v>2<|eom_id|><|end_of_text|>"));
  EXPECT_FALSE(
      accepts("<|python_tag|>get_weather<k>city</k><v>longer than 8<|eom_id|><|end_of_text|>"));
}

// Many tools with many parameters are compiled in the time that there is for it.
TEST(TaggedGrammar, ManyTools) {
  ToolGrammarSpec spec = test::spec_of("qwen3_coder", true);
  spec.functions.clear();
  for (int i = 0; i < 40; ++i) {
    test::Json properties;
    for (int k = 0; k < 8; ++k)
      properties["key_" + std::to_string(k)] =
          k % 2 == 0 ? test::Json{{"type", "string"}}
                     : test::Json{{"type", "array"}, {"items", {{"type", "string"}}}};
    spec.functions.push_back(
        {"tool_" + std::to_string(i), {{"type", "object"}, {"properties", properties}}});
  }
  const auto grammar = test::compiler().compile(tool_grammar(spec, test::demo()), "tools");
  EXPECT_TRUE(grammar.ok()) << grammar.error().message;
}

}  // namespace
}  // namespace ember
