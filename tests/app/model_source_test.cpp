// SPDX-License-Identifier: Apache-2.0
#include "model_source.h"

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "app/model_dir.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

using Spoil = std::function<void(const std::filesystem::path&)>;

ModelFiles read(const std::filesystem::path& dir, const std::string& chat_template = {}) {
  return read_model_files(*open_model(dir.string()), {.chat_template = chat_template});
}

std::string refusal(const Spoil& spoil) {
  const std::filesystem::path dir = copy_demo_model(false);
  spoil(dir);
  try {
    read(dir);
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kBadModel);
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    return e.what();
  }
  return "accepted";
}

TEST(ModelSource, OpensTheDemoModel) {
  const auto source = open_model(kDemoModel.string());
  EXPECT_EQ(source->name(), "demo-model");
  const ModelFiles files = read(kDemoModel);
  EXPECT_EQ(files.config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(files.defaults.eos_token_ids, (std::vector<int32_t>{6137, 6140}));
  EXPECT_EQ(files.tokenizer->vocab_size(), 6144);
  EXPECT_NE(files.chat_template, nullptr);
  source->check(true);
}

TEST(ModelSource, IsCalledAsItsDirectoryHoweverThatIsWritten) {
  EXPECT_EQ(open_model((kDemoModel / "../demo-model/.").string())->name(), "demo-model");
}

TEST(ModelSource, APathThatIsMissingIsAFaultOfTheCommandLine) {
  try {
    open_model("");
    FAIL();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    EXPECT_STREQ(e.what(), "--model-path is missing");
  }
}

TEST(ModelSource, ACheckpointWithoutAWeightIsRefused) {
  const std::filesystem::path dir = copy_demo_model(false);  // no weights at all
  const auto source = open_model(dir.string());
  EXPECT_THROW(source->checkpoint(source->config()), StartError);
  EXPECT_THROW(source->check(false), StartError);
}

TEST(ModelSource, NamesTheFileAtFault) {
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

// Each file of a model that may be there or not, and each that must be.
TEST(ModelSource, WhatCannotBeReadIsNamed) {
  for (const char* name :
       {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
        "additional_chat_templates/default.jinja", "additional_chat_templates/tool_use.jinja",
        "chat_template.json", "model.safetensors", "model.safetensors.index.json"})
    for (const char* target : {"itself", "nothing", "a directory"}) {
      const std::filesystem::path dir = copy_demo_model(false), file = dir / name;
      // So that every other file is looked for.
      write_file(dir / "tokenizer_config.json", "{}");
      std::filesystem::create_directory(dir / "additional_chat_templates");
      std::filesystem::remove(file);
      if (std::string(target) == "a directory")
        std::filesystem::create_directory(file);
      else
        std::filesystem::create_symlink(target == std::string("itself") ? file : dir / target,
                                        file);
      try {
        const auto source = open_model(dir.string());
        read_model_files(*source);
        source->check(false);
        ADD_FAILURE() << name << " leads to " << target;
      } catch (const StartError& e) {
        EXPECT_EQ(e.code(), ExitCode::kBadModel) << name;
        EXPECT_NE(std::string(e.what()).find(name), std::string::npos) << e.what();
      }
    }
}

TEST(ModelSource, ANameThatIsTooLongIsRefused) {
  const std::string name(300, 'x');
  for (const std::string& path : {name, name + ".gguf", name + ".json", std::string("itself")}) {
    const std::filesystem::path dir = copy_demo_model(false);
    std::filesystem::create_symlink("itself", dir / "itself");
    const std::string where = (dir / path).string();
    EXPECT_THROW(open_model(where), StartError) << path;
    EXPECT_THROW(open_tokenizer(where, 10), StartError) << path;
    EXPECT_THROW(read(dir, where), StartError) << path;
  }
}

void edit_json(const std::filesystem::path& file,
               const std::function<void(nlohmann::json&)>& edit) {
  nlohmann::json json = nlohmann::json::parse(std::ifstream(file));
  edit(json);
  write_file(file, json.dump());
}

TEST(ModelSource, RefusesATokenizerWithMoreTokensThanTheEmbedding) {
  const std::string message = refusal([](const auto& dir) {
    edit_json(dir / "tokenizer.json",
              [](auto& json) { json["model"]["vocab"]["one more"] = 6144; });
  });
  EXPECT_NE(
      message.find("tokenizer.json: has token ids up to 6144, the model's vocab_size is 6144"),
      std::string::npos)
      << message;
}

// Gemma 3 of 1B: the last added token has no row in the embedding.
TEST(ModelSource, AddedTokensBeyondTheEmbeddingAreLeftOut) {
  const std::filesystem::path dir = copy_demo_model(false);
  edit_json(dir / "tokenizer.json", [](auto& json) {
    nlohmann::json token = json["added_tokens"].back();
    token["id"] = 6144;
    token["content"] = "<image_soft_token>";
    json["added_tokens"].push_back(token);
  });
  EXPECT_EQ(Tokenizer::load(dir).value()->vocab_size(), 6145);
  const ModelFiles files = read(dir);
  EXPECT_EQ(files.tokenizer->vocab_size(), 6144);
  const auto ids = files.tokenizer->encode("<image_soft_token>", {}).value();
  EXPECT_GT(ids.size(), 5u) << "it is text";
  for (const std::filesystem::path& path : {dir, dir / "tokenizer.json"})
    EXPECT_EQ(read_model_files(*open_model(dir.string()), {.tokenizer = path.string()})
                  .tokenizer->vocab_size(),
              6144);
}

// With it no text would begin or end as the model expects.
TEST(ModelSource, ABeginOrEndBeyondTheEmbeddingIsRefused) {
  for (const char* name : {"bos_token", "eos_token"}) {
    const std::string message = refusal([&](const auto& dir) {
      edit_json(dir / "tokenizer_config.json", [&](auto& json) { json[name] = "<one more>"; });
    });
    EXPECT_NE(message.find("tokenizer.json: " + std::string(name) +
                           " \"<one more>\" has an id beyond the model's vocab_size 6144"),
              std::string::npos)
        << message;
  }
}

// A clone without its large files, or one whose files are of another model.
TEST(ModelSource, RandomWeightsOpenNoFile) {
  const std::filesystem::path dir = copy_demo_model(false);
  write_file(dir / "model.safetensors",
             "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 25165824\n");
  const std::unique_ptr<const ModelSource> source = open_model(dir.string());
  EXPECT_EQ(read_model_files(*source, {.load_format = "dummy"}).config.num_layers, 8);
  EXPECT_EQ(source->config_alone().vocab_size, 6144);
  EXPECT_THROW(read_model_files(*source), StartError);
}

// What comes with the tokenizer goes with it, as in vLLM; a file that is named comes before it.
TEST(ModelSource, TheTemplateOfAnotherTokenizerComesBeforeTheModels) {
  const std::filesystem::path dir = copy_demo_model(false), other = dir / "other";
  std::filesystem::create_directory(other);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    std::filesystem::copy(dir / name, other / name);
  edit_json(other / "tokenizer_config.json", [](auto& json) { json.erase("chat_template"); });
  write_file(dir / "mine.jinja", "mine");
  const auto rendered = [&](const std::string& file, const std::filesystem::path& tokenizer) {
    const ModelFiles files = read_model_files(
        *open_model(dir.string()), {.tokenizer = tokenizer.string(), .chat_template = file});
    ChatInput input;
    input.messages = nlohmann::ordered_json::parse(R"([{"role": "user", "content": "Hi"}])");
    return files.chat_template->render(input).value().text;
  };
  const std::string models = rendered("", "");
  EXPECT_EQ(rendered("", other), models) << "the other has none";
  write_file(other / "chat_template.jinja", "other");
  EXPECT_EQ(rendered("", other), "other");
  EXPECT_EQ(rendered("", other / "tokenizer.json"), "other");
  EXPECT_EQ(rendered((dir / "mine.jinja").string(), other), "mine");
  write_file(other / "chat_template.jinja", "{% if %}");
  EXPECT_THROW(rendered("", other), StartError);
}

TEST(ModelSource, AnotherTokenizerIsTakenFromWhereItIs) {
  const std::filesystem::path dir = copy_demo_model(false);
  std::filesystem::rename(dir / "tokenizer.json", dir / "other.json");
  EXPECT_THROW(read(dir), StartError);
  for (const std::filesystem::path& path : {kDemoModel, dir / "other.json"}) {
    const ModelFiles files =
        read_model_files(*open_model(dir.string()), {.tokenizer = path.string()});
    EXPECT_EQ(files.tokenizer->vocab_size(), 6144) << path;
    EXPECT_EQ(files.tokenizer->eos_token(), "<|eot_id|>") << path;
  }
  write_file(dir / "tokenizer_config.json", "{}");
  EXPECT_NE(
      read_model_files(*open_model(dir.string()), {.tokenizer = kDemoModel.string()}).chat_template,
      nullptr)
      << "the tokenizer's";
  try {
    read_model_files(*open_model(dir.string()), {.tokenizer = (dir / "absent").string()});
    FAIL();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kBadModel);
    EXPECT_NE(std::string(e.what()).find("absent"), std::string::npos) << e.what();
  }
}

TEST(ModelSource, AModelWithoutTemplateHasNone) {
  const std::filesystem::path dir = copy_demo_model(false);
  write_file(dir / "tokenizer_config.json", "{}");
  EXPECT_EQ(read(dir).chat_template, nullptr);
  write_file(dir / "mine.jinja", "{{ messages[0].content }}");
  EXPECT_NE(read(dir, (dir / "mine.jinja").string()).chat_template, nullptr);
}

}  // namespace
}  // namespace ember
