// SPDX-License-Identifier: Apache-2.0
// Model folders and references that several tests of this layer read.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/temp_dir.h"
#include "ember/text/tokenizer.h"
#include "ember/text/utf8.h"

namespace ember::test {

using Json = nlohmann::ordered_json;

inline std::filesystem::path source_dir() { return EMBER_SOURCE_DIR; }
inline std::filesystem::path demo_dir() { return source_dir() / "configs/demo-model"; }
// Not part of the repository; the tests on it say so where it is absent.
inline std::filesystem::path qwen_dir() { return source_dir() / "../shared/tokenizers/qwen2_5"; }

inline Json read_json(const std::filesystem::path& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  return Json::parse(in);
}

inline std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& dir) {
  auto loaded = Tokenizer::load(dir);
  if (!loaded.ok()) throw std::runtime_error(loaded.error().message);
  return std::move(loaded).value();
}

inline const Tokenizer& demo() {
  static const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(demo_dir());
  return *tokenizer;
}

// Null where the files are absent.
inline const Tokenizer* qwen() {
  static const std::unique_ptr<Tokenizer> tokenizer = std::filesystem::exists(qwen_dir())
                                                          ? load_tokenizer(qwen_dir())
                                                          : std::unique_ptr<Tokenizer>();
  if (tokenizer == nullptr)
    std::printf("[   NOTE   ] no %s: nothing was checked on it\n", qwen_dir().c_str());
  return tokenizer.get();
}

using ModelDir = test::TempDir;  // a model folder that goes away with the object

// A SentencePiece-like BPE with byte fallback, as Llama 2's: "▁" for a space, one put before the
// text, one stripped in decoding.
inline std::string metaspace_json() {
  Json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  int id = 3;
  for (int b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", b);
    vocab[name] = id++;
  }
  for (const char* token :
       {"▁", "H", "e", "l", "o", "w", "r", "d", "i", "▁H", "ll", "▁w", "or", "▁wor", "ld"})
    vocab[token] = id++;
  const Json merges = {"▁ H", "l l", "▁ w", "o r", "▁w or", "l d"};
  const auto added = [](int i, const char* text) {
    return Json{{"id", i},         {"content", text},     {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  const Json prepend = {{"type", "Prepend"}, {"prepend", "▁"}};
  const Json to_mark = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
  const Json to_space = {{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}};
  const Json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  return Json{
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", Json::array({added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")})},
      {"normalizer", {{"type", "Sequence"}, {"normalizers", Json::array({prepend, to_mark})}}},
      {"pre_tokenizer", nullptr},
      {"post_processor", nullptr},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         Json::array({to_space, Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}}, strip})}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", "<unk>"},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"vocab", vocab},
        {"merges", merges}}}}
      .dump();
}

inline void append_code_point(std::string& out, uint32_t c) {
  const auto put = [&](uint32_t b) { out.push_back(static_cast<char>(b)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000)
      put(0xE0 | c >> 12);
    else
      put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

// Mostly ASCII, with characters of all lengths and runs among them.
inline std::string random_text(std::mt19937_64& rng, size_t max_characters) {
  std::string text;
  const size_t count = rng() % (max_characters + 1);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t kind = rng() % 10;
    uint32_t c = static_cast<uint32_t>(kind < 6   ? 0x20 + rng() % 0x5F
                                       : kind < 7 ? rng() % 0x20
                                       : kind < 8 ? rng() % 0x800
                                                  : rng() % 0x110000);
    if (c >= 0xD800 && c < 0xE000) c = 0x1F642;
    const uint64_t times = rng() % 20 == 0 ? 1 + rng() % 30 : 1;
    for (uint64_t n = 0; n < times; ++n) append_code_point(text, c);
  }
  return text;
}

}  // namespace ember::test
