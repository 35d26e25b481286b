// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_dialect.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "text/fixtures.h"

namespace ember {
namespace {

std::string name_of(const ToolDialect* dialect) {
  return dialect != nullptr ? std::string(dialect->name) : "none";
}

std::string dialect_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in) << file;
  std::stringstream text;
  text << in.rdbuf();
  return name_of(detect_tool_dialect(text.str()));
}

TEST(ToolDialect, NamesAndBack) {
  EXPECT_THAT(tool_dialect_names(),
              testing::ElementsAre("llama3_json", "hermes", "glm4", "mistral", "qwen3_coder",
                                   "seed_oss", "glm45", "deepseek_v31", "deepseek_v3", "harmony"));
  for (const std::string& name : tool_dialect_names())
    EXPECT_EQ(name_of(tool_dialect_by_name(name)), name);
  EXPECT_EQ(tool_dialect_by_name("Hermes"), nullptr);
  EXPECT_EQ(tool_dialect_by_name(""), nullptr);
}

TEST(ToolDialect, DetectedFromTheTemplate) {
  const std::filesystem::path templates = test::source_dir() / "tests/data/templates";
  EXPECT_EQ(dialect_of(templates / "llama3.jinja"), "llama3_json");
  EXPECT_EQ(dialect_of(templates / "hermes.jinja"), "hermes");
  EXPECT_EQ(dialect_of(templates / "mistral.jinja"), "mistral");
  EXPECT_EQ(dialect_of(templates / "python.jinja"), "none");
  EXPECT_EQ(name_of(detect_tool_dialect("<|assistant|>{{ metadata }}\n<|observation|>")), "glm4");
  EXPECT_EQ(name_of(detect_tool_dialect("<tool_call>{{ name }}\n<arg_key>k</arg_key>")), "glm45");
  EXPECT_EQ(detect_tool_dialect("<|observation|><arg_key>k</arg_key>"), nullptr);
}

TEST(ToolDialect, TheMoreParticularMarksDecide) {
  const std::string llama = "{\"name\": f, \"parameters\": p}", glm = llama + "<|observation|>",
                    hermes = glm + "<tool_call>", mistral = hermes + "[TOOL_CALLS]";
  EXPECT_EQ(name_of(detect_tool_dialect(llama)), "llama3_json");
  EXPECT_EQ(name_of(detect_tool_dialect(glm)), "glm4");
  EXPECT_EQ(name_of(detect_tool_dialect(hermes)), "hermes");
  EXPECT_EQ(name_of(detect_tool_dialect(mistral)), "mistral");
}

TEST(ToolDialect, TheDemoModelSpeaksLlama) {
  const test::Json config = test::read_json(test::demo_dir() / "tokenizer_config.json");
  EXPECT_EQ(name_of(detect_tool_dialect(config["chat_template"].get<std::string>())),
            "llama3_json");
}

}  // namespace
}  // namespace ember
