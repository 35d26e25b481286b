// SPDX-License-Identifier: Apache-2.0
// Tokens that the small files beside a tokenizer name or add, as transformers reads them.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ember/base/result.h"
#include "ember/text/tokenizer_parts.h"

namespace ember {

struct AddedToken {
  std::string text;
  bool special = false;
  TokenizerParts::Matching matching = {};
};

struct AddedTokens {
  // Tokens that have names, "bos_token" and "pad_token" for example.
  std::map<std::string, std::string> named;
  // By id: added_tokens_decoder of tokenizer_config.json, else added_tokens.json.
  std::map<int32_t, AddedToken> listed;
  bool listed_by_config = false;  // the list is tokenizer_config.json's, even if it is empty
  // Those with names and further special ones, in the order in which transformers adds those that
  // the vocabulary does not have.
  std::vector<AddedToken> special;

  bool is_special(const std::string& text) const;
};

// A JSON object beside a tokenizer; an empty one where there is no file.
class SideFile {
 public:
  static Result<SideFile> read(const std::filesystem::path& file);

  const std::string& file() const { return file_; }
  const nlohmann::json& json() const { return json_; }
  // Null: it has none of this name, or null.
  const nlohmann::json* find(const char* name) const;
  // Sets `value` where the file has one of this name.
  Result<void> boolean(const char* name, bool& value) const;
  Error refusal(const std::string& name, const char* expected, const nlohmann::json& found) const;

 private:
  std::string file_;
  nlohmann::json json_ = nlohmann::json::object();
};

// A token as an object with "content" and flags, or as its text; the text is empty where it is
// neither. special: it is so whatever its flags say.
AddedToken read_added_token(const nlohmann::json& entry, bool special = false);

// Of the files in `dir`; `config` is its tokenizer_config.json. The error names the file.
Result<AddedTokens> read_added_tokens(const std::filesystem::path& dir, const SideFile& config);

}  // namespace ember
