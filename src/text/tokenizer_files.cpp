// SPDX-License-Identifier: Apache-2.0
#include "tokenizer_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "embedded.h"
#include "ember/base/files.h"
#include "ember/base/json_file.h"
#include "ember/text/pre_tokenizers.h"
#include "ember/text/sentencepiece_model.h"
#include "ember/text/tiktoken_file.h"

namespace ember {

namespace {

using Json = nlohmann::json;
using AddedSpace = TokenizerParts::AddedSpace;
using Kind = TokenizerParts::Kind;
using Type = TokenizerParts::TokenType;

constexpr size_t kMaxConfigBytes = 16 << 20;
constexpr int32_t kMaxId = (1 << 22) - 1;

// What a class of tokenizers does besides what its files say.
struct TokenizerClass {
  std::string_view name;        // "Fast" behind it says nothing of the ids
  bool add_bos, add_eos;        // where tokenizer_config.json does not say
  std::string_view split = {};  // of tiktoken files: a name for find_pre_tokenizer()
  void (*add_tokens)(TokenizerParts&) = nullptr;  // those that no file lists
};

int32_t append(TokenizerParts& parts, const std::string& text, Type type = Type::kControl) {
  parts.tokens.push_back(text);
  parts.types.push_back(type);
  return static_cast<int32_t>(parts.tokens.size()) - 1;
}

// What stands behind the pieces of both ChatGLMs. The words "sop" and "eop" are text: in a prompt
// these tokens are written as GLM-4 does it.
void add_roles(TokenizerParts& parts) {
  append(parts, "[MASK]");
  const int32_t mask = append(parts, "[gMASK]");
  append(parts, "[sMASK]");
  const int32_t begin = append(parts, "<sop>");
  append(parts, "<eop>");
  append(parts, "<|system|>");
  const int32_t user = append(parts, "<|user|>");
  append(parts, "<|assistant|>");
  const int32_t observation = append(parts, "<|observation|>");
  parts.prefix_ids = {mask, begin};
  parts.end_ids = {user, observation};
}

void add_chatglm3(TokenizerParts& parts) {
  add_roles(parts);
  parts.aliases = {{"[gMASK]sop", parts.prefix_ids}};
  parts.chat_template = kChatGlm3Template;
}

void add_glm4(TokenizerParts& parts) {
  parts.eos = append(parts, "<|endoftext|>");
  add_roles(parts);
}

void add_qwen(TokenizerParts& parts) {
  parts.eos = append(parts, "<|endoftext|>");
  append(parts, "<|im_start|>");
  parts.end_ids = {append(parts, "<|im_end|>")};
  for (int i = 0; i < 205; ++i) append(parts, fmt::format("<|extra_{}|>", i));
}

void add_t5(TokenizerParts& parts) {
  for (int i = 99; i >= 0; --i) append(parts, fmt::format("<extra_id_{}>", i));
}

constexpr TokenizerClass kClasses[] = {
    {.name = "LlamaTokenizer", .add_bos = true, .add_eos = false},  // the first: of no class
    {.name = "CodeLlamaTokenizer", .add_bos = true, .add_eos = false},
    {.name = "GemmaTokenizer", .add_bos = true, .add_eos = false},
    {.name = "BaichuanTokenizer", .add_bos = true, .add_eos = false},
    {.name = "InternLMTokenizer", .add_bos = true, .add_eos = false},
    {.name = "InternLM2Tokenizer", .add_bos = true, .add_eos = false},
    {.name = "T5Tokenizer", .add_bos = false, .add_eos = true, .add_tokens = add_t5},
    {.name = "ChatGLMTokenizer", .add_bos = false, .add_eos = false, .add_tokens = add_chatglm3},
    {.name = "ChatGLM4Tokenizer",
     .add_bos = false,
     .add_eos = false,
     .split = "glm4",
     .add_tokens = add_glm4},
    {.name = "QWenTokenizer",
     .add_bos = false,
     .add_eos = false,
     .split = "qwen2",
     .add_tokens = add_qwen},
};

std::string class_names(bool tiktoken) {
  std::string names;
  for (const TokenizerClass& known : kClasses)
    if (known.split.empty() != tiktoken)
      names += (names.empty() ? "" : ", ") + std::string(known.name);
  return names;
}

// A JSON object beside the tokenizer; one that is empty where there is no file.
class Config {
 public:
  static Result<Config> read(const std::filesystem::path& file) {
    Config config;
    config.file_ = file.string();
    if (!std::filesystem::exists(file)) return config;
    Result<Json> json = read_json_file(file, kMaxConfigBytes);
    if (!json.ok()) return json.error();
    if (!json.value().is_object())
      return invalid("", fmt::format("{}: must hold a JSON object", config.file_));
    config.json_ = std::move(json).value();
    return config;
  }

  const std::string& file() const { return file_; }
  const Json& json() const { return json_; }
  const Json* find(const char* name) const {
    const auto found = json_.find(name);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  Error refusal(const std::string& name, const char* expected, const Json& found) const {
    return invalid(
        "", fmt::format("{}: {}: expected {}, found {}", file_, name, expected,
                        found.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 64)));
  }
  // Sets `value` where the file has one of this name.
  Result<void> boolean(const char* name, bool& value) const {
    const Json* found = find(name);
    if (found == nullptr) return {};
    if (!found->is_boolean()) return refusal(name, "true or false", *found);
    value = found->get<bool>();
    return {};
  }

 private:
  std::string file_;
  Json json_ = Json::object();
};

// The class that tokenizer_config.json names: "module.Class" in auto_map; empty: none.
std::string class_of(const Config& config) {
  if (const Json* name = config.find("tokenizer_class"); name != nullptr && name->is_string())
    return name->get<std::string>();
  const Json* map = config.find("auto_map");
  if (map == nullptr || !map->is_object() || !map->contains("AutoTokenizer")) return {};
  const Json& entry = (*map)["AutoTokenizer"];
  const Json& name = entry.is_array() && !entry.empty() ? entry[0] : entry;
  if (!name.is_string()) return {};
  const auto text = name.get<std::string>();
  return text.substr(text.rfind('.') + 1);
}

Result<const TokenizerClass*> find_class(const Config& config, bool tiktoken) {
  std::string name = class_of(config);
  if (name.empty() && !tiktoken) return &kClasses[0];
  const std::string said = name;
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  for (const TokenizerClass& known : kClasses)
    if (known.name == name && known.split.empty() != tiktoken) return &known;
  return invalid(
      "", fmt::format("{}: tokenizer_class: expected one of {} (there is no tokenizer.json), "
                      "found {}",
                      config.file(), class_names(tiktoken),
                      said.empty() ? "nothing" : fmt::format("{:?}", said.substr(0, 64))));
}

std::optional<std::string> token_text(const Json& entry) {
  if (entry.is_string()) return entry.get<std::string>();
  if (!entry.is_object() || !entry.contains("content") || !entry["content"].is_string())
    return std::nullopt;
  return entry["content"].get<std::string>();
}

// The files of a tokenizer, put together.
class Assembly {
 public:
  Assembly(const std::filesystem::path& dir, TokenizerParts parts)
      : dir_(dir), parts_(std::move(parts)) {}

  Result<TokenizerParts> run(bool tiktoken) {
    Result<Config> config = Config::read(dir_ / "tokenizer_config.json");
    if (!config.ok()) return config.error();
    Result<const TokenizerClass*> known = find_class(config.value(), tiktoken);
    if (!known.ok()) return known.error();
    const TokenizerClass& of_class = *known.value();
    listed_ = config.value().find("added_tokens_decoder") != nullptr;
    if (of_class.add_tokens != nullptr) add_tokens_of(of_class);
    if (tiktoken) {
      const PreTokenizer& split = *find_pre_tokenizer(of_class.split);
      parts_.split_steps = split.split_steps;
      parts_.normalize_nfc = split.normalize_nfc;
    }
    for (const Result<void>& done :
         {add_listed_tokens(config.value()), name_special_tokens(config.value()),
          set_added(config.value(), of_class), set_space(config.value())})
      if (!done.ok()) return done.error();
    if (!parts_.scores.empty()) parts_.scores.resize(parts_.tokens.size());
    return std::move(parts_);
  }

 private:
  // T5's are in the list where there is one.
  void add_tokens_of(const TokenizerClass& of_class) {
    if (of_class.add_tokens == add_t5 && listed_) return;
    of_class.add_tokens(parts_);
  }

  // added_tokens_decoder of tokenizer_config.json, ids to tokens; else added_tokens.json, texts to
  // ids.
  Result<void> add_listed_tokens(const Config& config) {
    if (listed_) {
      const Json& list = *config.find("added_tokens_decoder");
      if (!list.is_object()) return config.refusal("added_tokens_decoder", "an object", list);
      for (const auto& [id, token] : list.items()) {
        const std::optional<std::string> text = token_text(token);
        const bool number =
            !id.empty() && id.size() < 8 && id.find_first_not_of("0123456789") == std::string::npos;
        if (!text || text->empty() || !number || std::stoi(id) > kMaxId)
          return config.refusal("added_tokens_decoder." + id.substr(0, 64),
                                "an id and a token with content", token);
        const Json special = token.is_object() ? token.value("special", Json(false)) : Json(false);
        put(std::stoi(id), *text, special == true);
      }
      return {};
    }
    const Result<Config> added = Config::read(dir_ / "added_tokens.json");
    if (!added.ok()) return added.error();
    for (const auto& [text, id] : added.value().json().items()) {
      if (text.empty() || !id.is_number_unsigned() || id.get<uint64_t>() > kMaxId)
        return added.value().refusal(text.substr(0, 64), "an id", id);
      put(id.get<int32_t>(), text, false);
    }
    return {};
  }

  // A token that a file adds; one that its class has added already keeps its text.
  void put(int32_t id, const std::string& text, bool special) {
    const auto index = static_cast<size_t>(id);
    while (parts_.tokens.size() <= index) append(parts_, "", Type::kUnused);
    Type& type = parts_.types[index];
    if (type == Type::kUnknown || type == Type::kControl) return;
    if (parts_.tokens[index] == text && !special) {  // a piece, which text is found to be first
      if (type == Type::kNormal) type = Type::kUserDefined;
      return;
    }
    if (const std::optional<int32_t> other = find(text); other && *other != id)
      parts_.types[static_cast<size_t>(*other)] = Type::kUnused;
    if (const auto old = ids_.find(parts_.tokens[index]); old != ids_.end() && old->second == id)
      ids_.erase(old);
    ids_[text] = id;
    parts_.tokens[index] = text;
    type = special ? Type::kControl : Type::kAdded;
  }

  // Tokens that the files give a name or call special are special where the vocabulary has them.
  Result<void> name_special_tokens(const Config& config) {
    const Result<Config> map = Config::read(dir_ / "special_tokens_map.json");
    if (!map.ok()) return map.error();
    for (const Config* file : {&map.value(), &config})
      for (const auto& [name, entry] : file->json().items()) {
        if (name.ends_with("_token"))
          if (const auto text = token_text(entry)) name_token(name, *text);
        if (name == "additional_special_tokens" && entry.is_array())
          for (const Json& token : entry)
            if (const auto text = token_text(token)) name_token(name, *text);
      }
    return {};
  }

  void name_token(const std::string& name, const std::string& text) {
    const std::optional<int32_t> id = find(text);
    if (!id) return;
    Type& type = parts_.types[static_cast<size_t>(*id)];
    if (type != Type::kUnknown) type = Type::kControl;
    if (name == "bos_token") parts_.bos = id;
    if (name == "eos_token") parts_.eos = id;
  }

  Result<void> set_added(const Config& config, const TokenizerClass& of_class) {
    bool bos = of_class.add_bos, eos = of_class.add_eos;
    for (const Result<void>& read :
         {config.boolean("add_bos_token", bos), config.boolean("add_eos_token", eos)})
      if (!read.ok()) return read.error();
    parts_.add_bos = bos && parts_.bos;
    parts_.add_eos = eos && parts_.eos;
    return {};
  }

  // "legacy" tokenizers add a space behind special tokens too.
  Result<void> set_space(const Config& config) {
    bool legacy = true, add_space = true;
    for (const Result<void>& read :
         {config.boolean("legacy", legacy), config.boolean("add_prefix_space", add_space)})
      if (!read.ok()) return read.error();
    AddedSpace& space = parts_.rules.added_space;
    if (!add_space) space = AddedSpace::kNone;
    if (!legacy && space == AddedSpace::kEach) space = AddedSpace::kFirst;
    return {};
  }

  std::optional<int32_t> find(const std::string& text) {
    if (ids_.empty())
      for (size_t id = 0; id < parts_.tokens.size(); ++id)
        if (parts_.types[id] != Type::kUnused)
          ids_.emplace(parts_.tokens[id], static_cast<int32_t>(id));
    const auto found = ids_.find(text);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }

  const std::filesystem::path dir_;
  TokenizerParts parts_;
  bool listed_ = false;  // tokenizer_config.json lists the added tokens
  std::unordered_map<std::string, int32_t> ids_;
};

}  // namespace

Result<TokenizerParts> read_tokenizer_parts(const std::filesystem::path& file) {
  const Result<std::string> bytes =
      read_text_file(file, std::max(kMaxSentencePieceBytes, kMaxTiktokenBytes));
  if (!bytes.ok()) return bytes.error();
  // A SentencePiece model begins with its first piece: field 1, of bytes.
  const bool tiktoken = !bytes.value().starts_with('\x0A');
  Result<TokenizerParts> parts =
      tiktoken ? parse_tiktoken(bytes.value()) : parse_sentencepiece(bytes.value());
  if (!parts.ok()) return invalid("", fmt::format("{}: {}", file.string(), parts.error().message));
  return Assembly(file.parent_path(), std::move(parts).value()).run(tiktoken);
}

}  // namespace ember
