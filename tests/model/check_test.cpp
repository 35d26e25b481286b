// SPDX-License-Identifier: Apache-2.0
#include "ember/model/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/temp_model.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string why_refused(const std::filesystem::path& dir, bool deep = false) {
  return refusal([&] { check_model(dir, deep); });
}

TEST(CheckModel, EveryTinyModelIsSound) {
  for (const auto& entry : std::filesystem::directory_iterator(tiny_model("")))
    EXPECT_NO_THROW(check_model(entry.path(), true)) << entry.path();
}

TEST(CheckModel, ADirectoryMustBeThere) {
  const TempDir dir;
  EXPECT_THAT(why_refused(dir / "absent"), HasSubstr("is not a directory"));
  write_file(dir / "file", "");
  EXPECT_THAT(why_refused(dir / "file"), HasSubstr("is not a directory"));
  EXPECT_THAT(why_refused(dir.path()), HasSubstr("config.json: file is missing"));
}

TEST(CheckModel, AMissingTensorIsNamed) {
  const TempModel model;
  model.edit_checkpoint([](nlohmann::json& header, std::string&) {
    header["renamed"] = header["model.layers.1.mlp.up_proj.weight"];
    header.erase("model.layers.1.mlp.up_proj.weight");
  });
  EXPECT_THAT(why_refused(model.path()),
              HasSubstr("\"model.layers.1.mlp.up_proj.weight\" of shape [80, 64] is missing"));
}

TEST(CheckModel, ShapesMustFitTheConfig) {
  const TempModel model;
  model.set("vocab_size", 129);
  EXPECT_THAT(why_refused(model.path()),
              AllOf(HasSubstr("model.embed_tokens.weight"),
                    HasSubstr("expected shape [129, 64], found [128, 64]")));
}

TEST(CheckModel, OnlyADeepCheckReadsTheWeights) {
  const TempModel model("qwen3");
  model.edit_checkpoint([](nlohmann::json& header, std::string& data) {
    const size_t last = header["model.layers.0.mlp.down_proj.weight"]["data_offsets"][1];
    data.replace(last - 2, 2, "\xc0\x7f");
  });
  EXPECT_NO_THROW(check_model(model.path(), false));
  EXPECT_THAT(why_refused(model.path(), true),
              AllOf(HasSubstr("model.safetensors"),
                    HasSubstr("\"model.layers.0.mlp.down_proj.weight\" holds a NaN")));
}

TEST(CheckModel, GenerationConfigIsChecked) {
  const TempModel model;
  model.edit("generation_config.json", [](nlohmann::json& g) { g["eos_token_id"] = 128; });
  EXPECT_THAT(why_refused(model.path()), AllOf(HasSubstr("generation_config.json"),
                                               HasSubstr("eos_token_id"), HasSubstr("0 to 127")));
}

}  // namespace
}  // namespace ember
