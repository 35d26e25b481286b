// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "added_tokens.h"
#include "ember/base/files.h"
#include "ember/base/json_file.h"
#include "ember/text/utf8.h"
#include "hf_tokenizer.h"
#include "left_out.h"
#include "tokenizer_files.h"

namespace ember {

namespace {

constexpr size_t kMaxTokenizerBytes = 256 << 20;

bool uses_decoder(const nlohmann::json& decoder, const std::string& type) {
  if (!decoder.is_object()) return false;
  if (decoder.value("type", "") == type) return true;
  const auto parts = decoder.find("decoders");
  return parts != decoder.end() && parts->is_array() &&
         std::any_of(parts->begin(), parts->end(),
                     [&](const auto& part) { return uses_decoder(part, type); });
}

// Refuses ids that the library takes silently and makes wrong tokens of.
Result<void> check_vocabulary(const nlohmann::json& json, const std::string& file) {
  const auto model = json.find("model");
  if (model == json.end() || !model->is_object())
    return invalid("", fmt::format("{}: \"model\" is missing", file));
  const auto vocab = model->find("vocab");
  if (vocab == model->end() || !vocab->is_object()) return {};  // unigram: a list
  std::vector<bool> seen;
  for (const auto& [token, id] : vocab->items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= Tokenizer::kMaxVocabSize)
      return invalid("", fmt::format("{}: vocabulary id of {:?} must be 0 to {}, found {}", file,
                                     token.substr(0, 64), Tokenizer::kMaxVocabSize - 1, id.dump()));
    const auto index = id.get<size_t>();
    if (index >= seen.size()) seen.resize(index + 1);
    if (seen[index])
      return invalid("", fmt::format("{}: vocabulary id {} is given to two tokens", file, index));
    seen[index] = true;
  }
  return {};
}

TokenForm form_of(const nlohmann::json& decoder) {
  if (uses_decoder(decoder, "ByteLevel")) return TokenForm::kByteLevel;
  for (const char* type : {"ByteFallback", "Metaspace", "Replace"})
    if (uses_decoder(decoder, type)) return TokenForm::kMetaspace;
  return TokenForm::kPlain;
}

// The added tokens of a tokenizer.json, by id.
std::map<int32_t, AddedToken> own_added_tokens(const nlohmann::json& json) {
  std::map<int32_t, AddedToken> own;
  for (const nlohmann::json& entry : json.value("added_tokens", nlohmann::json::array())) {
    if (!entry.is_object()) continue;  // the library says what is wrong
    const nlohmann::json id = entry.value("id", nlohmann::json());
    if (id.is_number_unsigned() && id.get<uint64_t>() < Tokenizer::kMaxVocabSize)
      own[id.get<int32_t>()] = read_added_token(entry);
  }
  return own;
}

// What transformers adds to the tokens of a tokenizer.json, in this order: those that the files
// beside it list, with their flags, and special ones that are listed nowhere. Its own count as
// listed beside it where tokenizer_config.json lists none.
std::vector<AddedToken> tokens_to_add(const nlohmann::json& json, const AddedTokens& beside) {
  const std::map<int32_t, AddedToken> own = own_added_tokens(json);
  std::map<int32_t, AddedToken> listed = own;
  if (beside.listed_by_config) listed.clear();
  listed.insert(beside.listed.begin(), beside.listed.end());
  std::set<std::string> texts;
  for (const auto& [id, token] : own) texts.insert(token.text);
  std::vector<AddedToken> tokens;
  for (const auto& [id, token] : listed) {
    texts.insert(token.text);
    tokens.push_back(token);
    tokens.back().special = token.special || beside.is_special(token.text);
  }
  for (const AddedToken& token : beside.special)
    if (!texts.contains(token.text)) tokens.push_back(token);
  return tokens;
}

}  // namespace

Tokenizer::Tokenizer() = default;
Tokenizer::~Tokenizer() = default;

std::filesystem::path Tokenizer::file_of(const std::filesystem::path& dir) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "spiece.model"})
    if (path_exists(dir / name)) return dir / name;
  Result<std::vector<std::filesystem::path>> entries = list_directory(dir);
  if (entries.ok()) {
    std::vector<std::filesystem::path>& found = entries.value();
    std::erase_if(found, [](const auto& file) { return file.extension() != ".tiktoken"; });
    if (found.size() == 1) return found[0];
  }
  return dir / "tokenizer.json";
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::load(const std::filesystem::path& path,
                                                   int32_t vocab_size) {
  const std::filesystem::path file = path_is_directory(path) ? file_of(path) : path;
  if (file.extension() == ".json") {
    const Result<std::string> text = read_text_file(file, kMaxTokenizerBytes);
    if (!text.ok()) return text.error();
    const Result<SideFile> config = SideFile::read(file.parent_path() / "tokenizer_config.json");
    if (!config.ok()) return config.error();
    Result<AddedTokens> added = read_added_tokens(file.parent_path(), config.value());
    if (!added.ok()) return added.error();
    return parse_with(text.value(), file.string(), std::move(added).value(), vocab_size);
  }
  Result<TokenizerParts> parts = read_tokenizer_parts(file);
  if (!parts.ok()) return parts.error();
  Result<std::unique_ptr<Tokenizer>> made = build(std::move(parts).value(), vocab_size);
  if (!made.ok()) return invalid("", fmt::format("{}: {}", file.string(), made.error().message));
  return made;
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::parse(const std::string& json,
                                                    const std::string& file,
                                                    std::map<std::string, std::string> named_tokens,
                                                    int32_t vocab_size) {
  AddedTokens added;
  added.named = std::move(named_tokens);
  added.listed_by_config = true;  // nothing is added to the file's own
  return parse_with(json, file, std::move(added), vocab_size);
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::parse_with(const std::string& text,
                                                         const std::string& file, AddedTokens added,
                                                         int32_t vocab_size) {
  const Result<nlohmann::json> json = parse_json_file(file, text);
  if (!json.ok()) return json.error();
  if (!json.value().is_object())
    return invalid("", fmt::format("{}: must hold a JSON object", file));
  if (const Result<void> checked = check_vocabulary(json.value(), file); !checked.ok())
    return checked.error();
  const nlohmann::json decoder = json.value().value("decoder", nlohmann::json());
  const TokenForm form = form_of(decoder);
  std::vector<std::string> left_out;
  Result<std::unique_ptr<const TokenizerModel>> loaded =
      load_hf_tokenizer(text, form, tokens_to_add(json.value(), added), vocab_size, left_out);
  if (!loaded.ok()) return invalid("", fmt::format("{}: {}", file, loaded.error().message));
  if (const Result<void> told = report_left_out(left_out, added.named, vocab_size); !told.ok())
    return invalid("", fmt::format("{}: {}", file, told.error().message));
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer);
  // In a sequence others may change the text.
  tokenizer->byte_level_ =
      form == TokenForm::kByteLevel && decoder.value("type", "") == "ByteLevel";
  if (const Result<void> adopted = tokenizer->adopt(std::move(loaded).value()); !adopted.ok())
    return invalid("", fmt::format("{}: {}", file, adopted.error().message));
  tokenizer->set_named_tokens(std::move(added.named));
  return tokenizer;
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

Result<void> Tokenizer::adopt(std::unique_ptr<const TokenizerModel> model) {
  model_ = std::move(model);
  const size_t size = model_->vocab_size();
  if (size == 0 || size > kMaxVocabSize)
    return invalid("", fmt::format("{} tokens, must be 1 to {}", size, kMaxVocabSize));
  token_bytes_.resize(size);
  special_.resize(size);
  for (size_t id = 0; id < size; ++id) {
    token_bytes_[id] = model_->token_bytes(static_cast<int32_t>(id));
    max_token_bytes_ = std::max(max_token_bytes_, token_bytes_[id].size());
  }
  for (const int32_t id : model_->special_ids()) {
    special_[static_cast<size_t>(id)] = true;
    special_texts_.push_back(model_->special_text(id));
  }
  const Result<std::vector<int32_t>> around = model_->encode("", {});
  if (!around.ok()) return around.error();
  for (const int32_t id : around.value())
    if (id < 0 || static_cast<size_t>(id) >= size)
      return invalid("", fmt::format("token {}, which is added to every text, is outside the "
                                     "vocabulary of {}",
                                     id, size));
  return {};
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
