// SPDX-License-Identifier: Apache-2.0
#include "ember/text/pre_tokenizers.h"

#include <algorithm>

namespace ember {

namespace {

constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kDigit = R"(\p{N})";
// Words and numbers of llama3's kind: `letters` make up words and `marks` with them what is no
// other sign; `digits` are a number.
std::string words(const std::string& letters, const std::string& letters_in_set,
                  const std::string& digits) {
  return R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?)" + letters + "+|" + digits +
         R"(| ?[^\s)" + letters_in_set + R"(\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}
// Words that change from small to capital letters are cut there; `contraction` may follow one.
std::string cased_words(const std::string& contraction, const std::string& digits) {
  const std::string upper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])",
                    lower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])", before = R"([^\r\n\p{L}\p{N}]?)";
  return before + upper + "*" + lower + "+" + contraction + "|" + before + upper + "+" + lower +
         "*" + contraction + "|" + digits +
         R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}

struct Row {
  std::vector<std::string_view> names;
  PreTokenizer value;
};

std::vector<Row> make_rows() {
  const std::string three = R"(\p{N}{1,3})", one = R"(\p{N})", letter = R"(\p{L})",
                    marked = R"([\p{L}\p{M}])", contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
  const std::string llama3 = words(letter, letter, three), qwen2 = words(letter, letter, one);
  return {
      {{"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de", "olmo",
        "mpt", "jais", "gigachat", "roberta-bpe"},
       {{kGpt2}, false, false, false}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"},
       {{kDigit, kGpt2}, false, false, false}},
      {{"llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "lfm2"},
       {{llama3}, true, false, true}},
      {{"glm4", "glm5"}, {{llama3}, true, false, false}},
      {{"chatglm-bpe", "dbrx", "smaug-bpe"}, {{llama3}, false, false, false}},
      {{"qwen2"}, {{qwen2}, false, true, false}},
      {{"deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"}, {{qwen2}, false, false, false}},
      {{"qwen35"}, {{words(marked, R"(\p{L}\p{M})", one)}, false, true, false}},
      {{"tekken"}, {{cased_words("", one)}, true, false, true}},
      {{"gpt-4o", "llama4", "minimax-m2"},
       {{cased_words(contraction, three)}, false, false, false}},
  };
}

const std::vector<Row>& rows() {
  static const std::vector<Row> made = make_rows();
  return made;
}

}  // namespace

const PreTokenizer* find_pre_tokenizer(std::string_view name) {
  for (const Row& row : rows())
    if (std::ranges::find(row.names, name) != row.names.end()) return &row.value;
  return nullptr;
}

std::string pre_tokenizer_names() {
  std::string names;
  for (const Row& row : rows())
    for (const std::string_view name : row.names)
      names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

}  // namespace ember
