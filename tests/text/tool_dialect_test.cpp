// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_dialect.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "text/fixtures.h"

namespace ember {
namespace {

std::optional<ToolDialect> dialect_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in) << file;
  std::stringstream text;
  text << in.rdbuf();
  return detect_tool_dialect(text.str());
}

TEST(ToolDialect, NamesAndBack) {
  EXPECT_THAT(tool_dialect_names(),
              testing::ElementsAre("llama3_json", "hermes", "glm4", "mistral"));
  for (const std::string& name : tool_dialect_names())
    EXPECT_EQ(tool_dialect_name(tool_dialect_by_name(name).value()), name);
  EXPECT_FALSE(tool_dialect_by_name("Hermes"));
  EXPECT_FALSE(tool_dialect_by_name(""));
}

TEST(ToolDialect, DetectedFromTheTemplate) {
  const std::filesystem::path templates = test::source_dir() / "tests/data/templates";
  EXPECT_EQ(dialect_of(templates / "llama3.jinja"), ToolDialect::kLlama3);
  EXPECT_EQ(dialect_of(templates / "hermes.jinja"), ToolDialect::kHermes);
  EXPECT_EQ(dialect_of(templates / "mistral.jinja"), ToolDialect::kMistral);
  EXPECT_EQ(dialect_of(templates / "python.jinja"), std::nullopt);
  EXPECT_EQ(detect_tool_dialect("<|assistant|>{{ metadata }}\n<|observation|>"),
            ToolDialect::kGlm4);
  EXPECT_EQ(detect_tool_dialect("<tool_call>{{ name }}\n<arg_key>k</arg_key>"), std::nullopt);
}

TEST(ToolDialect, TheDemoModelSpeaksLlama) {
  const test::Json config = test::read_json(test::demo_dir() / "tokenizer_config.json");
  EXPECT_EQ(detect_tool_dialect(config["chat_template"].get<std::string>()), ToolDialect::kLlama3);
}

}  // namespace
}  // namespace ember
