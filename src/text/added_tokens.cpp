// SPDX-License-Identifier: Apache-2.0
#include "added_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ember/base/files.h"
#include "ember/base/json_file.h"
#include "ember/text/tokenizer.h"

namespace ember {

namespace {

using Json = nlohmann::json;

constexpr size_t kMaxConfigBytes = 16 << 20;
// In the order of transformers' SPECIAL_TOKENS_ATTRIBUTES.
constexpr std::array kNames = {"bos_token", "eos_token", "unk_token", "sep_token",
                               "pad_token", "cls_token", "mask_token"};

bool is_standard(const std::string& name) {
  return std::ranges::find(kNames, name) != kNames.end();
}

// The tokens with names and the further special ones of both files.
class SpecialTokens {
 public:
  // What the file says replaces what an earlier one said.
  void read(const Json& file) {
    for (const auto& [key, entry] : file.items()) {
      if (key == "extra_special_tokens" || key == "model_specific_special_tokens" ||
          key == "additional_special_tokens") {
        if (entry.is_object())
          for (const auto& [name, token] : entry.items()) name_token(name, token);
        if (entry.is_array())
          for (const Json& token : entry) add_further(read_added_token(token, true));
      } else if (key.ends_with("_token")) {
        name_token(key, entry);
      }
    }
  }

  void move_to(AddedTokens& tokens) {
    for (const char* name : kNames)
      if (const auto found = named_.find(name); found != named_.end())
        tokens.special.push_back(found->second);
    for (const auto& [name, token] : named_) {
      tokens.named[name] = token.text;
      if (!is_standard(name)) tokens.special.push_back(token);
    }
    tokens.special.insert(tokens.special.end(), further_.begin(), further_.end());
  }

 private:
  void name_token(const std::string& name, const Json& entry) {
    if (entry.is_null()) named_.erase(name);
    if (AddedToken token = read_added_token(entry, true); !token.text.empty())
      named_[name] = std::move(token);
  }
  void add_further(AddedToken token) {
    if (!token.text.empty() &&
        std::ranges::find(further_, token.text, &AddedToken::text) == further_.end())
      further_.push_back(std::move(token));
  }

  std::map<std::string, AddedToken> named_;
  std::vector<AddedToken> further_;
};

Result<void> read_list(const SideFile& config, AddedTokens& tokens) {
  const Json& list = *config.find("added_tokens_decoder");
  if (!list.is_object()) return config.refusal("added_tokens_decoder", "an object", list);
  for (const auto& [id, entry] : list.items()) {
    AddedToken token = read_added_token(entry);
    if (tokens.is_special(token.text)) token = read_added_token(entry, true);
    const bool number =
        !id.empty() && id.size() < 8 && id.find_first_not_of("0123456789") == std::string::npos;
    if (token.text.empty() || !number || std::stoi(id) >= Tokenizer::kMaxVocabSize)
      return config.refusal("added_tokens_decoder." + id.substr(0, 64),
                            "an id and a token with content", entry);
    tokens.listed[std::stoi(id)] = std::move(token);
  }
  return {};
}

Result<void> read_texts(const SideFile& added, AddedTokens& tokens) {
  for (const auto& [text, id] : added.json().items()) {
    if (text.empty() || !id.is_number_unsigned() || id.get<uint64_t>() >= Tokenizer::kMaxVocabSize)
      return added.refusal(text.substr(0, 64), "an id", id);
    const bool special = tokens.is_special(text);
    tokens.listed[id.get<int32_t>()] = {
        .text = text, .special = special, .matching = {.normalized = !special}};
  }
  return {};
}

}  // namespace

bool AddedTokens::is_special(const std::string& text) const {
  return std::ranges::find(special, text, &AddedToken::text) != special.end();
}

Result<SideFile> SideFile::read(const std::filesystem::path& file) {
  SideFile read;
  read.file_ = file.string();
  if (!path_exists(file)) return read;
  Result<Json> json = read_json_file(file, kMaxConfigBytes);
  if (!json.ok()) return json.error();
  if (!json.value().is_object())
    return invalid("", fmt::format("{}: must hold a JSON object", read.file_));
  read.json_ = std::move(json).value();
  return read;
}

const Json* SideFile::find(const char* name) const {
  const auto found = json_.find(name);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

Result<void> SideFile::boolean(const char* name, bool& value) const {
  const Json* found = find(name);
  if (found == nullptr) return {};
  if (!found->is_boolean()) return refusal(name, "true or false", *found);
  value = found->get<bool>();
  return {};
}

Error SideFile::refusal(const std::string& name, const char* expected, const Json& found) const {
  return invalid(
      "", fmt::format("{}: {}: expected {}, found {}", file_, name, expected,
                      found.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 64)));
}

AddedToken read_added_token(const Json& entry, bool special) {
  if (entry.is_string()) return {.text = entry.get<std::string>(), .special = special};
  if (!entry.is_object() || !entry.contains("content") || !entry["content"].is_string()) return {};
  const auto flag = [&](const char* name, bool otherwise) {
    const auto found = entry.find(name);
    return found != entry.end() && found->is_boolean() ? found->get<bool>() : otherwise;
  };
  AddedToken token{.text = entry["content"].get<std::string>(),
                   .special = special || flag("special", false)};
  token.matching = {.lstrip = flag("lstrip", false),
                    .rstrip = flag("rstrip", false),
                    .single_word = flag("single_word", false),
                    .normalized = flag("normalized", !token.special)};
  return token;
}

Result<AddedTokens> read_added_tokens(const std::filesystem::path& dir, const SideFile& config) {
  AddedTokens tokens;
  SpecialTokens special;
  special.read(config.json());
  tokens.listed_by_config = config.find("added_tokens_decoder") != nullptr;
  if (tokens.listed_by_config) {
    special.move_to(tokens);
    if (const Result<void> read = read_list(config, tokens); !read.ok()) return read.error();
    return tokens;
  }
  // Older models: what this file says comes before what the config says.
  const Result<SideFile> map = SideFile::read(dir / "special_tokens_map.json");
  if (!map.ok()) return map.error();
  special.read(map.value().json());
  special.move_to(tokens);
  const Result<SideFile> added = SideFile::read(dir / "added_tokens.json");
  if (!added.ok()) return added.error();
  if (const Result<void> read = read_texts(added.value(), tokens); !read.ok()) return read.error();
  return tokens;
}

}  // namespace ember
