// SPDX-License-Identifier: Apache-2.0
#include "model_files.h"

#include <functional>

#include "app/model_dir.h"

namespace ember {
namespace {

using Spoil = std::function<void(const std::filesystem::path&)>;

std::string refusal(const Spoil& spoil) {
  const std::filesystem::path dir = copy_demo_model(false);
  spoil(dir);
  Settings settings;
  settings.model_path = dir.string();
  try {
    open_model_files(settings);
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kBadModel);
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    return e.what();
  }
  return "accepted";
}

TEST(ModelFiles, OpensTheDemoModel) {
  Settings settings;
  settings.model_path = kDemoModel.string();
  const ModelFiles files = open_model_files(settings);
  EXPECT_EQ(files.config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(files.defaults.eos_token_ids, (std::vector<int32_t>{6137, 6140}));
  EXPECT_EQ(files.tokenizer->vocab_size(), 6144);
  EXPECT_NE(files.chat_template, nullptr);
}

TEST(ModelFiles, NamesTheFileAtFault) {
  struct Case {
    Spoil spoil;
    const char* file;
    const char* says;
  };
  for (const Case& c : std::vector<Case>{
           {[](const auto& dir) { std::filesystem::remove_all(dir); }, "", "is not a directory"},
           {[](const auto& dir) { std::filesystem::remove(dir / "config.json"); }, "config.json",
            "missing"},
           {[](const auto& dir) { std::filesystem::remove(dir / "tokenizer.json"); },
            "tokenizer.json", "does not exist"},
           {[](const auto& dir) { std::filesystem::resize_file(dir / "tokenizer.json", 1000); },
            "tokenizer.json", "not JSON"},
           {[](const auto& dir) { write_file(dir / "chat_template.jinja", "\n{% if %}"); },
            "chat_template.jinja", "line 2"},
           {[](const auto& dir) {
              write_file(dir / "generation_config.json", "{\"eos_token_id\": 7000}");
            },
            "generation_config.json", "eos_token_id"}}) {
    const std::string message = refusal(c.spoil);
    EXPECT_NE(message.find(c.file), std::string::npos) << message;
    EXPECT_NE(message.find(c.says), std::string::npos) << message;
  }
}

TEST(ModelFiles, RefusesATokenizerWithMoreTokensThanTheEmbedding) {
  const std::string message = refusal([](const auto& dir) {
    std::ifstream in(dir / "config.json");
    std::string text{std::istreambuf_iterator<char>(in), {}};
    text.replace(text.find("6144"), 4, "6142");
    in.close();
    write_file(dir / "config.json", text);
  });
  EXPECT_NE(message.find("token ids up to 6143"), std::string::npos) << message;
}

TEST(ModelFiles, AModelWithoutTemplateHasNone) {
  const std::filesystem::path dir = copy_demo_model(false);
  write_file(dir / "tokenizer_config.json", "{}");
  Settings settings;
  settings.model_path = dir.string();
  EXPECT_EQ(open_model_files(settings).chat_template, nullptr);
  write_file(dir / "mine.jinja", "{{ messages[0].content }}");
  settings.chat_template = (dir / "mine.jinja").string();
  EXPECT_NE(open_model_files(settings).chat_template, nullptr);
}

}  // namespace
}  // namespace ember
