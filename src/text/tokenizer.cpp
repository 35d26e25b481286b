// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "byte_level.h"
#include "ember/base/files.h"
#include "ember/base/json_file.h"
#include "ember/text/utf8.h"
#include "hf_tokenizer.h"
#include "tokenizer_files.h"

namespace ember {

namespace {

constexpr size_t kMaxTokenizerBytes = 256 << 20, kMaxConfigBytes = 16 << 20;
constexpr uint32_t kMaxVocab = 1 << 22;

// SentencePiece: U+2581 is a space, "<0x0A>" a byte.
std::string from_metaspace(const std::string& token) {
  if (token.size() == 6 && token.starts_with("<0x") && token.back() == '>') {
    char* end = nullptr;
    const long value = std::strtol(token.c_str() + 3, &end, 16);
    if (end == token.c_str() + 5) return std::string(1, static_cast<char>(value));
  }
  constexpr std::string_view kSpace = "\xE2\x96\x81";
  std::string bytes;
  size_t begin = 0;
  for (size_t at = token.find(kSpace); at != std::string::npos; at = token.find(kSpace, begin)) {
    bytes.append(token, begin, at - begin).push_back(' ');
    begin = at + kSpace.size();
  }
  return bytes.append(token, begin);
}

bool uses_decoder(const nlohmann::json& decoder, const std::string& type) {
  if (!decoder.is_object()) return false;
  if (decoder.value("type", "") == type) return true;
  const auto parts = decoder.find("decoders");
  return parts != decoder.end() && parts->is_array() &&
         std::any_of(parts->begin(), parts->end(),
                     [&](const auto& part) { return uses_decoder(part, type); });
}

// A token is written as its text or as an object with "content".
std::optional<std::string> token_text(const nlohmann::json& entry) {
  if (entry.is_string()) return entry.get<std::string>();
  if (!entry.is_object()) return {};
  const auto content = entry.find("content");
  if (content == entry.end() || !content->is_string()) return {};
  return content->get<std::string>();
}

// The entries of `config` that name a token, those of a model's own among them.
void add_named_tokens(const nlohmann::json& config, std::map<std::string, std::string>& named) {
  if (!config.is_object()) return;
  for (const auto& [key, entry] : config.items()) {
    if (key == "extra_special_tokens" || key == "model_specific_special_tokens") {
      if (!entry.is_object()) continue;
      for (const auto& [name, token] : entry.items())
        if (std::optional<std::string> text = token_text(token)) named[name] = *std::move(text);
    } else if (key.ends_with("_token")) {
      if (std::optional<std::string> text = token_text(entry)) named[key] = *std::move(text);
    }
  }
}

// What the library takes without a word and later makes wrong tokens of.
Result<void> check_vocabulary(const nlohmann::json& json, const std::string& file) {
  const auto model = json.find("model");
  if (model == json.end() || !model->is_object())
    return invalid("", fmt::format("{}: \"model\" is missing", file));
  const auto vocab = model->find("vocab");
  if (vocab == model->end() || !vocab->is_object()) return {};  // unigram: a list
  std::vector<bool> seen;
  for (const auto& [token, id] : vocab->items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxVocab)
      return invalid("", fmt::format("{}: vocabulary id of {:?} must be 0 to {}, found {}", file,
                                     token.substr(0, 64), kMaxVocab - 1, id.dump()));
    const auto index = id.get<size_t>();
    if (index >= seen.size()) seen.resize(index + 1);
    if (seen[index])
      return invalid("", fmt::format("{}: vocabulary id {} is given to two tokens", file, index));
    seen[index] = true;
  }
  return {};
}

}  // namespace

Tokenizer::Tokenizer() = default;
Tokenizer::~Tokenizer() = default;

std::filesystem::path Tokenizer::file_of(const std::filesystem::path& dir) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "spiece.model"})
    if (std::filesystem::exists(dir / name)) return dir / name;
  std::error_code error;
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(dir, error))
    if (entry.path().extension() == ".tiktoken") found.push_back(entry.path());
  return found.size() == 1 ? found[0] : dir / "tokenizer.json";
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::load(const std::filesystem::path& path) {
  const bool is_dir = std::filesystem::is_directory(path);
  const std::filesystem::path dir = is_dir ? path : path.parent_path();
  const std::filesystem::path file = is_dir ? file_of(path) : path;
  Result<std::unique_ptr<Tokenizer>> made = invalid("", "");
  if (file.extension() == ".json") {
    made = load_json(file);
  } else {
    const Result<TokenizerParts> parts = read_tokenizer_parts(file);
    if (!parts.ok()) return parts.error();
    made = build(parts.value());
    if (!made.ok()) return invalid("", fmt::format("{}: {}", file.string(), made.error().message));
  }
  if (!made.ok()) return made;
  if (const Result<void> read = made.value()->read_named_tokens(dir); !read.ok())
    return read.error();
  return made;
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::load_json(const std::filesystem::path& file) {
  const Result<std::string> text = read_text_file(file, kMaxTokenizerBytes);
  if (!text.ok()) return text.error();
  return parse(text.value(), file.string(), {});
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::parse(
    const std::string& text, const std::string& file,
    std::map<std::string, std::string> named_tokens) {
  const Result<nlohmann::json> json = parse_json_file(file, text);
  if (!json.ok()) return json.error();
  if (!json.value().is_object())
    return invalid("", fmt::format("{}: must hold a JSON object", file));
  if (const Result<void> checked = check_vocabulary(json.value(), file); !checked.ok())
    return checked.error();
  Result<std::unique_ptr<const TokenizerModel>> loaded = load_hf_tokenizer(text);
  if (!loaded.ok()) return invalid("", fmt::format("{}: {}", file, loaded.error().message));
  const nlohmann::json decoder = json.value().value("decoder", nlohmann::json());
  const bool alphabet = uses_decoder(decoder, "ByteLevel");
  const bool metaspace = uses_decoder(decoder, "ByteFallback") ||
                         uses_decoder(decoder, "Metaspace") || uses_decoder(decoder, "Replace");
  const TokenForm form = alphabet    ? TokenForm::kByteLevel
                         : metaspace ? TokenForm::kMetaspace
                                     : TokenForm::kPlain;
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer);
  tokenizer->byte_level_ = alphabet && decoder.value("type", "") ==
                                           "ByteLevel";  // in a sequence others may change the text
  if (const Result<void> adopted = tokenizer->adopt(std::move(loaded).value(), form); !adopted.ok())
    return invalid("", fmt::format("{}: {}", file, adopted.error().message));
  tokenizer->set_named_tokens(std::move(named_tokens));
  return tokenizer;
}

Result<void> Tokenizer::read_named_tokens(const std::filesystem::path& model_dir) {
  std::map<std::string, std::string> named = named_tokens_;
  // The second file belongs to older models: newer ones list their tokens in the first.
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::filesystem::path file = model_dir / name;
    if (!std::filesystem::exists(file)) continue;
    const Result<nlohmann::json> config = read_json_file(file, kMaxConfigBytes);
    if (!config.ok()) return config.error();
    if (!config.value().is_object())
      return invalid("", fmt::format("{}: must hold a JSON object", file.string()));
    add_named_tokens(config.value(), named);
    if (config.value().contains("added_tokens_decoder")) break;
  }
  set_named_tokens(std::move(named));
  return {};
}

void Tokenizer::set_named_tokens(std::map<std::string, std::string> named) {
  named_tokens_ = std::move(named);
  const auto text = [&](const char* name) {
    const auto found = named_tokens_.find(name);
    return found == named_tokens_.end() ? std::string() : found->second;
  };
  bos_token_ = text("bos_token");
  eos_token_ = text("eos_token");
}

Result<void> Tokenizer::adopt(std::unique_ptr<const TokenizerModel> model, TokenForm form) {
  model_ = std::move(model);
  const size_t size = model_->vocab_size();
  if (size == 0 || size > kMaxVocab)
    return invalid("", fmt::format("{} tokens, must be 1 to {}", size, kMaxVocab));
  token_bytes_.resize(size);
  special_.resize(size);
  fill_token_bytes(form);
  return {};
}

void Tokenizer::fill_token_bytes(TokenForm form) {
  std::vector<bool> added(token_bytes_.size());
  for (const int32_t id : model_->added_ids()) added[static_cast<size_t>(id)] = true;
  for (size_t id = 0; id < token_bytes_.size(); ++id) {
    std::optional<std::string> token = model_->id_to_token(static_cast<int32_t>(id));
    if (!token) continue;
    // Added tokens are written as they are, unless the byte-level decoder can read them: it knows
    // no difference.
    if (form == TokenForm::kByteLevel)
      token = from_byte_level(*token);
    else if (form == TokenForm::kMetaspace && !added[id])
      token = from_metaspace(*token);
    max_token_bytes_ = std::max(max_token_bytes_, token->size());
    token_bytes_[id] = *std::move(token);
  }
  for (const int32_t id : model_->special_ids()) {
    special_[static_cast<size_t>(id)] = true;
    if (std::optional<std::string> text = model_->id_to_token(id))
      special_texts_.push_back(*std::move(text));
  }
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::string repaired;
  if (!is_valid_utf8(text)) text = repaired = to_valid_utf8(text);
  return model_->encode(text, options);
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids,
                                      bool skip_special_tokens) const {
  for (const int32_t id : ids)
    if (id < 0 || id >= vocab_size())
      return invalid("tokens",
                     fmt::format("token id {} is outside the vocabulary of {}", id, vocab_size()));
  return model_->decode(ids, skip_special_tokens);
}

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const {
  return model_->token_to_id(token);
}

}  // namespace ember
