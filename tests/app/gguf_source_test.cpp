// SPDX-License-Identifier: Apache-2.0
#include "gguf_source.h"

#include <gmock/gmock.h>

#include <sstream>

#include "app/gguf_demo.h"
#include "commands.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

using test::TempDir;
using testing::HasSubstr;

TEST(GgufSource, HasTheDemoModelsFiles) {
  const TempDir dir;
  test::write_demo_gguf(dir / "Demo-Q8.gguf", WeightFormat::kQ8_0);
  const auto source = open_model((dir / "Demo-Q8.gguf").string());
  EXPECT_EQ(source->name(), "Demo-Q8");
  EXPECT_EQ(source->tokenizer_file(), (dir / "Demo-Q8.gguf").string());
  const ModelFiles files = read_model_files(*source),
                   reference = read_model_files(*open_model(test::demo_model_dir().string()));
  EXPECT_EQ(files.config.vocab_size, reference.config.vocab_size);
  EXPECT_EQ(files.config.dtype, DType::kF16);
  // The end of the text, of a turn and of a message to a tool.
  EXPECT_EQ(files.defaults.eos_token_ids, (std::vector<int32_t>{6137, 6140, 6141}));
  EXPECT_EQ(files.tokenizer->vocab_size(), 6144);
  ASSERT_NE(files.chat_template, nullptr);
  ChatInput input;
  input.messages = nlohmann::ordered_json::parse(R"([{"role": "user", "content": "Hi"}])");
  EXPECT_EQ(files.chat_template->render(input).value().ids,
            reference.chat_template->render(input).value().ids);
  source->check(true);
}

TEST(GgufSource, ADirectoryWithOneFileOrOneSetIsAModel) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "model");
  test::write_demo_gguf(dir / "model/any.gguf", WeightFormat::kF16);
  const auto source = open_model((dir / "model").string());
  EXPECT_EQ(source->name(), "model");
  EXPECT_EQ(source->path(), (dir / "model").string());
  EXPECT_EQ(source->config().num_layers, 8);
  const std::string one_more = (dir / "model/more.gguf").string();
  write_file(one_more, "");
  EXPECT_THAT(refusal([&] { open_model((dir / "model").string()); }), HasSubstr("2 GGUF files"));
  EXPECT_THAT(refusal([&] { open_model(one_more); }), HasSubstr("more.gguf: does not begin"));
}

TEST(GgufSource, ATemplateFileReplacesItsOwn) {
  const TempDir dir;
  test::write_demo_gguf(dir / "a.gguf", WeightFormat::kF16);
  write_file(dir / "mine.jinja", "mine");
  const auto source = open_model((dir / "a.gguf").string());
  const auto tokenizer = source->tokenizer(source->config().vocab_size);
  ChatInput input;
  input.messages = nlohmann::ordered_json::parse(R"([{"role": "user", "content": "Hi"}])");
  EXPECT_EQ(
      source->chat_template(*tokenizer, (dir / "mine.jinja").string())->render(input).value().text,
      "mine");
  EXPECT_THAT(refusal([&] { source->chat_template(*tokenizer, (dir / "absent").string()); }),
              HasSubstr("absent"));
}

TEST(GgufSource, ATokenizerWithMoreTokensThanRowsIsRefused) {
  const TempDir dir;
  test::TinyGguf tiny("llama2");  // 128 rows
  test::GgufWriter file = tiny.metadata();
  test::add_demo_tokenizer(file);
  tiny.add_tensors(file, WeightFormat::kF32);
  write_file(dir / "a.gguf", file.bytes());
  const auto source = open_model((dir / "a.gguf").string());
  EXPECT_THAT(refusal([&] { read_model_files(*source); }), HasSubstr("a.gguf"));
}

TEST(GgufSource, AFilesTokenizerServesAnotherModel) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "model");
  test::write_demo_gguf(dir / "model/demo.gguf", WeightFormat::kQ8_0);
  for (const char* path : {"model", "model/demo.gguf"})
    EXPECT_EQ(open_tokenizer((dir / path).string(), 6144)->vocab_size(), 6144) << path;
  EXPECT_THAT(refusal([&] { open_tokenizer((dir / "absent.gguf").string(), 6144); }),
              HasSubstr("absent.gguf"));
}

TEST(GgufSource, CommandsTakeAFile) {
  const TempDir dir;
  test::write_demo_gguf(dir / "a.gguf", WeightFormat::kQ8_0);
  Settings settings;
  settings.models.resize(1);
  settings.model().path = (dir / "a.gguf").string();
  settings.log.level = "off";
  settings.device.kind = DeviceKind::kCpu;
  settings.tokenize.text = "Hello";
  std::ostringstream checked, planned, ids;
  std::istringstream none;
  EXPECT_EQ(check(settings, checked), ExitCode::kOk);
  EXPECT_THAT(checked.str(), HasSubstr("a.gguf: ok, LlamaForCausalLM, 8 layers"));
  EXPECT_EQ(plan(settings, planned), ExitCode::kOk);
  EXPECT_THAT(planned.str(), HasSubstr("weights"));
  EXPECT_EQ(tokenize(settings, none, ids), ExitCode::kOk);
  EXPECT_THAT(ids.str(), HasSubstr("[6136, "));
}

}  // namespace
}  // namespace ember
