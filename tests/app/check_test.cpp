// SPDX-License-Identifier: Apache-2.0
#include <sstream>

#include "app/model_dir.h"
#include "commands.h"

namespace ember {
namespace {

Settings settings(const std::filesystem::path& dir, bool deep) {
  Settings s;
  s.command = CommandKind::kCheck;
  s.model().path = dir.string();
  s.check.deep = deep;
  s.log.level = "error";
  return s;
}

TEST(Check, AcceptsTheDemoModel) {
  for (const bool deep : {false, true}) {
    std::ostringstream out;
    EXPECT_EQ(check(settings(kDemoModel, deep), out), ExitCode::kOk);
    EXPECT_NE(out.str().find("ok, LlamaForCausalLM, 8 layers"), std::string::npos) << out.str();
  }
}

TEST(Check, OnlyTheDeepCheckReadsTheWeights) {
  const std::filesystem::path dir = copy_demo_model(true);
  {
    std::fstream file(dir / "model-00001-of-00002.safetensors",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-2, std::ios::end);
    file.write("\xff\x7f", 2);  // a NaN in float16
  }
  std::ostringstream out;
  EXPECT_EQ(check(settings(dir, false), out), ExitCode::kOk);
  try {
    check(settings(dir, true), out);
    FAIL();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kBadModel);
    EXPECT_NE(std::string(e.what()).find("holds a NaN or an infinity"), std::string::npos)
        << e.what();
    EXPECT_NE(std::string(e.what()).find("model-00001-of-00002.safetensors: tensor \"model."),
              std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace ember
