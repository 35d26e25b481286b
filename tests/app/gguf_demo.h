// SPDX-License-Identifier: Apache-2.0
// The demo model as a GGUF file.
#pragma once

#include <gtest/gtest.h>

#include "model/tiny_gguf.h"

namespace ember::test {

inline std::filesystem::path demo_model_dir() {
  return std::filesystem::path(EMBER_SOURCE_DIR) / "configs/demo-model";
}

inline void add_demo_tokenizer(GgufWriter& file) {
  const auto json = nlohmann::json::parse(read_file(demo_model_dir() / "tokenizer.json"));
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;
  const auto put = [&](const std::string& token, size_t id, int32_t type) {
    if (id >= tokens.size()) tokens.resize(id + 1), types.resize(id + 1);
    tokens[id] = token;
    types[id] = type;
  };
  for (const auto& [token, id] : json["model"]["vocab"].items()) put(token, id, 1);
  for (const auto& token : json["added_tokens"]) put(token["content"], token["id"], 3);
  for (const auto& merge : json["model"]["merges"])
    merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "llama-bpe");
  file.texts("tokenizer.ggml.tokens", tokens).texts("tokenizer.ggml.merges", merges);
  file.numbers("tokenizer.ggml.token_type", GgufValueType::kI32, types);
  file.u32("tokenizer.ggml.bos_token_id", 6136).u32("tokenizer.ggml.eos_token_id", 6137);
  const auto config = nlohmann::json::parse(read_file(demo_model_dir() / "tokenizer_config.json"));
  file.text("tokenizer.chat_template", config["chat_template"].get<std::string>());
}

inline void write_demo_gguf(const std::filesystem::path& path, WeightFormat format) {
  const TinyGguf demo(demo_model_dir());
  GgufWriter file = demo.metadata();
  add_demo_tokenizer(file);
  demo.add_tensors(file, format);
  write_file(path, file.bytes());
}

}  // namespace ember::test
