// SPDX-License-Identifier: Apache-2.0
#include "gguf_tokenizer.h"

#include <fmt/format.h>

#include <map>
#include <unordered_map>

#include "ember/base/start_error.h"
#include "ember/text/pre_tokenizers.h"
#include "ember/text/utf8.h"
#include "value_or_refuse.h"

namespace ember {

namespace {

using Kind = TokenizerParts::Kind;
using Type = TokenizerParts::TokenType;

constexpr const char *kModel = "tokenizer.ggml.model", *kPre = "tokenizer.ggml.pre",
                     *kTokens = "tokenizer.ggml.tokens", *kTypes = "tokenizer.ggml.token_type",
                     *kScores = "tokenizer.ggml.scores", *kMerges = "tokenizer.ggml.merges",
                     *kAddBos = "tokenizer.ggml.add_bos_token",
                     *kAddEos = "tokenizer.ggml.add_eos_token",
                     *kHuggingFace = "tokenizer.huggingface.json";
constexpr size_t kMaxTemplateBytes = 1 << 20;

Kind read_kind(const GgufMetadata& metadata) {
  const std::string_view model = metadata.text(kModel, "");
  if (model == "gpt2") return Kind::kByteLevelBpe;
  if (model == "llama") return Kind::kSentencePieceBpe;
  metadata.refuse(kModel, "gpt2 or llama");
}

void read_tokens(const GgufMetadata& metadata, TokenizerParts& parts) {
  const std::vector<std::string_view> tokens = metadata.texts(kTokens);
  if (tokens.empty()) metadata.refuse(kTokens, "an array of strings that is not empty");
  for (size_t id = 0; id < tokens.size(); ++id)
    if (!is_valid_utf8(tokens[id]))
      metadata.refuse(kTokens, fmt::format("UTF-8, but token {} is not", id));
  parts.tokens.assign(tokens.begin(), tokens.end());
  for (const int64_t type : metadata.integers(kTypes)) {
    if (type < static_cast<int64_t>(Type::kNormal) || type > static_cast<int64_t>(Type::kByte))
      metadata.refuse(kTypes, fmt::format("token types from 1 to 6, but one is {}", type));
    parts.types.push_back(static_cast<Type>(type));
  }
  if (!parts.types.empty() && parts.types.size() != tokens.size())
    metadata.refuse(kTypes, fmt::format("{} of them, as there are tokens", tokens.size()));
}

void read_scores(const GgufMetadata& metadata, TokenizerParts& parts) {
  for (const double score : metadata.numbers(kScores))
    parts.scores.push_back(static_cast<float>(score));
  if (!parts.scores.empty() && parts.scores.size() != parts.tokens.size())
    metadata.refuse(kScores, fmt::format("{} of them, as there are tokens", parts.tokens.size()));
}

// "left right", cut at the first space behind the first character: a token may begin with one.
void read_merges(const GgufMetadata& metadata, TokenizerParts& parts) {
  std::unordered_map<std::string_view, int32_t> ids;
  for (size_t id = 0; id < parts.tokens.size(); ++id)
    ids.emplace(parts.tokens[id], static_cast<int32_t>(id));
  size_t number = 0;
  for (const std::string_view merge : metadata.texts(kMerges)) {
    const size_t space = merge.find(' ', 1);
    const auto left = ids.find(merge.substr(0, space));
    const auto right =
        space == std::string_view::npos ? ids.end() : ids.find(merge.substr(space + 1));
    if (left == ids.end() || right == ids.end())
      metadata.refuse(kMerges, fmt::format("two tokens in each, but number {} is {}", number,
                                           shown_text(merge)));
    parts.merges.push_back({left->second, right->second});
    ++number;
  }
}

std::optional<int32_t> read_id(const GgufMetadata& metadata, const char* name,
                               const TokenizerParts& parts, std::optional<int32_t> default_value) {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
  const auto count = std::ssize(parts.tokens);
  if (metadata.has(key)) return static_cast<int32_t>(metadata.integer(key, 0, count - 1));
  return default_value && *default_value < count ? default_value : std::nullopt;
}

void read_byte_level(const GgufMetadata& metadata, TokenizerParts& parts) {
  const PreTokenizer* pre = find_pre_tokenizer(metadata.text(kPre, ""));
  if (pre == nullptr)
    metadata.refuse(kPre, fmt::format("one of {} (or --tokenizer with the model's tokenizer.json)",
                                      pre_tokenizer_names()));
  read_merges(metadata, parts);
  parts.split_steps = pre->split_steps;
  parts.ignore_merges = pre->ignore_merges;
  parts.normalize_nfc = pre->normalize_nfc;
  parts.bos = read_id(metadata, "bos", parts, {});
  parts.eos = read_id(metadata, "eos", parts, {});
  parts.add_bos = metadata.boolean(kAddBos, pre->add_bos && parts.bos.has_value());
}

// The file does not say that white space behind Phi-3's tokens is part of them.
void set_matching(const GgufMetadata& metadata, TokenizerParts& parts) {
  if (metadata.text("general.architecture", "") != "phi3") return;
  for (size_t id = 0; id < parts.types.size(); ++id) {
    const Type type = parts.types[id];
    const std::string& text = parts.tokens[id];
    if ((type == Type::kControl || type == Type::kUserDefined) && text != "<s>" &&
        text != "<|endoftext|>")
      parts.matching[static_cast<int32_t>(id)].rstrip = true;
  }
}

void read_sentencepiece(const GgufMetadata& metadata, TokenizerParts& parts) {
  read_scores(metadata, parts);
  if (metadata.boolean("tokenizer.ggml.add_space_prefix", true))
    parts.rules.added_space = TokenizerParts::AddedSpace::kEach;
  // Where the file names none, they are those of SentencePiece.
  parts.bos = read_id(metadata, "bos", parts, 1);
  parts.eos = read_id(metadata, "eos", parts, 2);
  parts.unk = read_id(metadata, "unknown", parts, 0);
  parts.add_bos = metadata.boolean(kAddBos, parts.bos.has_value());
  set_matching(metadata, parts);
}

// Empty: absent.
std::string template_text(const GgufMetadata& metadata, const char* key) {
  const std::string_view text = metadata.text(key, "");
  if (text.size() > kMaxTemplateBytes)
    metadata.refuse(key,
                    fmt::format("at most {} bytes, there are {}", kMaxTemplateBytes, text.size()));
  if (!is_valid_utf8(text)) metadata.refuse(key, "UTF-8");
  return std::string(text);
}

// The file's ids say which tokens begin and end a text.
std::unique_ptr<Tokenizer> tokenizer_of_json(const GgufMetadata& metadata, std::string_view json,
                                             int32_t vocab_size) {
  if (!is_valid_utf8(json)) metadata.refuse(kHuggingFace, "UTF-8");
  const std::vector<std::string_view> tokens = metadata.texts(kTokens);
  std::map<std::string, std::string> named;
  for (const char* name : {"bos", "eos"}) {
    const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
    if (!metadata.has(key) || tokens.empty()) continue;
    const int64_t id = metadata.integer(key, 0, std::ssize(tokens) - 1);
    named[fmt::format("{}_token", name)] = tokens[static_cast<size_t>(id)];
  }
  return value_or_refuse(Tokenizer::parse(
      std::string(json), fmt::format("{}: key \"{}\"", metadata.file().string(), kHuggingFace),
      std::move(named), vocab_size));
}

}  // namespace

TokenizerParts gguf_tokenizer_parts(const GgufMetadata& metadata) {
  TokenizerParts parts;
  parts.kind = read_kind(metadata);
  read_tokens(metadata, parts);
  if (parts.kind == Kind::kByteLevelBpe)
    read_byte_level(metadata, parts);
  else
    read_sentencepiece(metadata, parts);
  parts.add_eos = metadata.boolean(kAddEos, false);
  return parts;
}

std::unique_ptr<Tokenizer> gguf_tokenizer(const GgufMetadata& metadata, int32_t vocab_size) {
  const std::string_view json = metadata.text(kHuggingFace, "");
  if (!json.empty()) return tokenizer_of_json(metadata, json, vocab_size);
  Result<std::unique_ptr<Tokenizer>> built =
      Tokenizer::build(gguf_tokenizer_parts(metadata), vocab_size);
  if (!built.ok())
    throw StartError(ExitCode::kBadModel,
                     fmt::format("{}: {}", metadata.file().string(), built.error().message));
  return std::move(built).value();
}

std::unique_ptr<ChatTemplate> gguf_chat_template(const GgufMetadata& metadata,
                                                 const Tokenizer& tokenizer) {
  const char* key = "tokenizer.chat_template";
  const std::string chat = template_text(metadata, key),
                    tool = template_text(metadata, "tokenizer.chat_template.tool_use");
  if (chat.empty()) return nullptr;
  Result<std::unique_ptr<ChatTemplate>> compiled = ChatTemplate::compile(chat, tool, tokenizer);
  if (!compiled.ok())
    throw StartError(
        ExitCode::kBadModel,
        fmt::format("{}: key \"{}\": {}", metadata.file().string(), key, compiled.error().message));
  return std::move(compiled).value();
}

}  // namespace ember
