// SPDX-License-Identifier: Apache-2.0
#include "hugging_face_source.h"

#include "app/model_dir.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

TEST(HuggingFaceSource, IsADirectory) {
  const HuggingFaceSource source(kDemoModel.string());
  EXPECT_EQ(source.name(), "demo-model");
  EXPECT_EQ(source.tokenizer_file(), kDemoModel.string() + "/tokenizer.json");
  EXPECT_THROW(HuggingFaceSource((kDemoModel / "config.json").string()), StartError);
}

TEST(HuggingFaceSource, NamesTheFileThatHoldsTheTokenizer) {
  const std::filesystem::path dir = copy_demo_model(false);
  std::filesystem::remove(dir / "tokenizer.json");
  write_file(dir / "tokenizer.model", "");
  EXPECT_EQ(HuggingFaceSource(dir.string()).tokenizer_file(), (dir / "tokenizer.model").string());
}

TEST(HuggingFaceSource, ADirectoryWithConfigJsonIsNoGguf) {
  const std::filesystem::path dir = copy_demo_model(false);
  write_file(dir / "model.gguf", "not read");
  EXPECT_EQ(open_model(dir.string())->config().architecture, "LlamaForCausalLM");
}

}  // namespace
}  // namespace ember
