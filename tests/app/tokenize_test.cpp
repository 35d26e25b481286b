// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/model_dir.h"
#include "commands.h"

namespace ember {
namespace {

Settings settings(const std::string& text, bool decode) {
  Settings s;
  s.command = CommandKind::kTokenize;
  s.model().path = kDemoModel.string();
  s.tokenize.text = text;
  s.tokenize.decode = decode;
  return s;
}

std::string output(const Settings& s, const std::string& input = {}) {
  std::istringstream in(input);
  std::ostringstream out;
  EXPECT_EQ(tokenize(s, in, out), ExitCode::kOk);
  return out.str();
}

TEST(Tokenize, TextToIdsAndBack) {
  EXPECT_EQ(output(settings("Once upon a time", false)), "[6136, 843, 856, 274, 610]\n");
  EXPECT_EQ(output(settings("", false), "Once upon a time"), "[6136, 843, 856, 274, 610]\n");
  Settings plain = settings("Once upon a time", false);
  plain.tokenize.special_tokens = false;
  EXPECT_EQ(output(plain), "[843, 856, 274, 610]\n");
  EXPECT_EQ(output(settings("[843, 856 274,610]", true)), "Once upon a time\n");
}

// What it shows is what the server gives to the model.
TEST(Tokenize, TokensThatTheModelDoesNotTakeAreText) {
  const std::filesystem::path dir = copy_demo_model(false);
  nlohmann::json tokenizer = nlohmann::json::parse(std::ifstream(dir / "tokenizer.json"));
  nlohmann::json token = tokenizer["added_tokens"].back();
  token["id"] = 6144;
  token["content"] = "<x>";
  tokenizer["added_tokens"].push_back(token);
  write_file(dir / "tokenizer.json", tokenizer.dump());
  Settings of_dir = settings("<x>", false);
  of_dir.model().path = dir.string();
  EXPECT_EQ(output(of_dir).find("6144"), std::string::npos);
  std::filesystem::remove(dir / "config.json");
  EXPECT_EQ(output(of_dir), "[6136, 6144]\n") << "no model: every token";
}

TEST(Tokenize, AnotherTokenizerHasTheTokensThatTheModelTakes) {
  const std::filesystem::path dir = copy_demo_model(false);
  nlohmann::json config = nlohmann::json::parse(std::ifstream(dir / "config.json"));
  const auto ids = [&](int vocab_size) {
    config["vocab_size"] = vocab_size;
    write_file(dir / "config.json", config.dump());
    Settings other = settings("<|python_tag|>", false);
    other.model().path = dir.string();
    other.model().tokenizer = kDemoModel.string();
    return output(other);
  };
  EXPECT_EQ(ids(6144), "[6136, 6142]\n");
  EXPECT_EQ(ids(6143), "[6136, 6142]\n");
  EXPECT_EQ(ids(6142).find("6142"), std::string::npos) << "it is text";
  EXPECT_THROW(ids(6139), StartError) << "eos_token";
  EXPECT_THROW(ids(6100), StartError) << "not only added tokens";
}

TEST(Tokenize, AnotherTokenizerTakesThePlaceOfTheModels) {
  Settings other = settings("Hello", false);
  other.model().path.clear();
  other.model().tokenizer =
      (kDemoModel / "../../tests/data/sentencepiece/bpe_llama.model").string();
  other.tokenize.special_tokens = false;
  const std::string ids = output(other);
  other.tokenize.decode = true;
  other.tokenize.text = ids;
  EXPECT_EQ(output(other), "Hello\n");
}

TEST(Tokenize, RefusesIdsThatDoNotExist) {
  for (const char* ids : {"[6144]", "99999999999999999999"}) {
    std::istringstream in;
    std::ostringstream out;
    EXPECT_THROW(tokenize(settings(ids, true), in, out), StartError);
  }
}

}  // namespace
}  // namespace ember
