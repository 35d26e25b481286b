// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ember/base/files.h"
#include "ember/base/json_file.h"
#include "ember/text/utf8.h"
#include "hf_handle.h"

namespace ember {

namespace {

constexpr size_t kMaxTokenizerBytes = 256 << 20, kMaxConfigBytes = 16 << 20;
constexpr uint32_t kMaxVocab = 1 << 22;

EmberTokenizer* as_tokenizer(void* handle) { return static_cast<EmberTokenizer*>(handle); }

// The code points that GPT-2's byte-level alphabet writes bytes with: printable ones stand for
// themselves, the others lie from U+0100 on (bytes_to_unicode of the GPT-2 encoder).
std::array<int, 512> byte_of_code_point() {
  std::array<int, 512> table;
  table.fill(-1);
  int next = 256;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    table[static_cast<size_t>(printable ? b : next++)] = b;
  }
  return table;
}

// The bytes of a byte-level token; the token itself where a character is not of the alphabet.
std::string from_byte_level(const std::string& token) {
  static const std::array<int, 512> table = byte_of_code_point();
  std::string bytes;
  for (size_t i = 0; i < token.size(); ++i) {
    const auto b = static_cast<unsigned char>(token[i]);
    size_t code = b;
    if (b >= 0x80) {
      if ((b & 0xE0) != 0xC0 || i + 1 == token.size()) return token;
      code = static_cast<size_t>((b & 0x1F) << 6 | (static_cast<unsigned char>(token[++i]) & 0x3F));
    }
    if (code >= table.size() || table[code] < 0) return token;
    bytes.push_back(static_cast<char>(table[code]));
  }
  return bytes;
}

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

void Tokenizer::Deleter::operator()(void* handle) const {
  ember_tokenizer_free(as_tokenizer(handle));
}
Tokenizer::~Tokenizer() = default;

Result<std::unique_ptr<Tokenizer>> Tokenizer::load(const std::filesystem::path& model_dir) {
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer);
  if (const Result<void> read = tokenizer->read(model_dir); !read.ok()) return read.error();
  return tokenizer;
}

Result<void> Tokenizer::read(const std::filesystem::path& model_dir) {
  const std::string file = (model_dir / "tokenizer.json").string();
  const Result<std::string> text = read_text_file(file, kMaxTokenizerBytes);
  if (!text.ok()) return text.error();
  const Result<nlohmann::json> json = parse_json_file(file, text.value());
  if (!json.ok()) return json.error();
  if (!json.value().is_object())
    return invalid("", fmt::format("{}: must hold a JSON object", file));
  if (const Result<void> checked = check_vocabulary(json.value(), file); !checked.ok())
    return checked.error();
  EmberTokenizer* loaded = nullptr;
  if (const std::string error =
          hf::take(ember_tokenizer_load(hf::data(text.value()), text.value().size(), &loaded));
      !error.empty())
    return invalid("", fmt::format("{}: {}", file, error));
  const nlohmann::json decoder = json.value().value("decoder", nlohmann::json());
  const bool alphabet = uses_decoder(decoder, "ByteLevel");
  byte_level_ = alphabet && decoder.value("type", "") ==
                                "ByteLevel";  // in a sequence others may change the text
  const bool metaspace = uses_decoder(decoder, "ByteFallback") ||
                         uses_decoder(decoder, "Metaspace") || uses_decoder(decoder, "Replace");
  const TokenForm form = alphabet    ? TokenForm::kByteLevel
                         : metaspace ? TokenForm::kMetaspace
                                     : TokenForm::kPlain;
  if (const Result<void> adopted = adopt(loaded, form); !adopted.ok())
    return invalid("", fmt::format("{}: {}", file, adopted.error().message));

  return read_named_tokens(model_dir);
}

Result<void> Tokenizer::read_named_tokens(const std::filesystem::path& model_dir) {
  // The second file belongs to older models: newer ones list their tokens in the first.
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::filesystem::path file = model_dir / name;
    if (!std::filesystem::exists(file)) continue;
    const Result<nlohmann::json> config = read_json_file(file, kMaxConfigBytes);
    if (!config.ok()) return config.error();
    if (!config.value().is_object())
      return invalid("", fmt::format("{}: must hold a JSON object", file.string()));
    add_named_tokens(config.value(), named_tokens_);
    if (config.value().contains("added_tokens_decoder")) break;
  }
  const auto named = [&](const char* name) {
    const auto found = named_tokens_.find(name);
    return found == named_tokens_.end() ? std::string() : found->second;
  };
  bos_token_ = named("bos_token");
  eos_token_ = named("eos_token");
  return {};
}

Result<void> Tokenizer::adopt(void* handle, TokenForm form) {
  handle_.reset(handle);
  const uint32_t size = ember_tokenizer_vocab_size(as_tokenizer(handle));
  if (size == 0 || size > kMaxVocab)
    return invalid("", fmt::format("{} tokens, must be 1 to {}", size, kMaxVocab));
  token_bytes_.resize(size);
  special_.resize(size);
  fill_token_bytes(form);
  return {};
}

void Tokenizer::fill_token_bytes(TokenForm form) {
  const auto* tokenizer = as_tokenizer(handle_.get());
  std::vector<bool> added(token_bytes_.size());
  for (const int32_t id : hf::take(ember_tokenizer_added_ids(tokenizer)))
    added[static_cast<size_t>(id)] = true;
  for (size_t id = 0; id < token_bytes_.size(); ++id) {
    EmberBytes bytes{};
    if (!ember_tokenizer_id_to_token(tokenizer, static_cast<uint32_t>(id), &bytes)) continue;
    std::string token = hf::take(bytes);
    // Added tokens are written as they are, unless the byte-level decoder can read them: it knows
    // no difference.
    if (form == TokenForm::kByteLevel)
      token = from_byte_level(token);
    else if (form == TokenForm::kMetaspace && !added[id])
      token = from_metaspace(token);
    max_token_bytes_ = std::max(max_token_bytes_, token.size());
    token_bytes_[id] = std::move(token);
  }
  for (const int32_t id : hf::take(ember_tokenizer_special_ids(tokenizer))) {
    special_[static_cast<size_t>(id)] = true;
    EmberBytes bytes{};
    if (ember_tokenizer_id_to_token(tokenizer, static_cast<uint32_t>(id), &bytes))
      special_texts_.push_back(hf::take(bytes));
  }
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::string repaired;
  if (!is_valid_utf8(text)) text = repaired = to_valid_utf8(text);
  EmberIds ids{};
  const std::string error =
      hf::take(ember_tokenizer_encode(as_tokenizer(handle_.get()), hf::data(text), text.size(),
                                      options.add_special_tokens, options.parse_special, &ids));
  if (!error.empty())
    return Error{ErrorKind::kInternal, "the tokenizer failed: " + error, "", "tokenizer_error"};
  return hf::take(ids);
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids,
                                      bool skip_special_tokens) const {
  std::vector<uint32_t> list;
  list.reserve(ids.size());
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size())
      return invalid("tokens",
                     fmt::format("token id {} is outside the vocabulary of {}", id, vocab_size()));
    list.push_back(static_cast<uint32_t>(id));
  }
  EmberBytes bytes{};
  const std::string error = hf::take(ember_tokenizer_decode(
      as_tokenizer(handle_.get()), list.data(), list.size(), skip_special_tokens, &bytes));
  if (!error.empty())
    return Error{ErrorKind::kInternal, "the tokenizer failed: " + error, "", "tokenizer_error"};
  return hf::take(bytes);
}

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const {
  uint32_t id = 0;
  if (!ember_tokenizer_token_to_id(as_tokenizer(handle_.get()), hf::data(token), token.size(), &id))
    return std::nullopt;
  return static_cast<int32_t>(id);
}

}  // namespace ember
