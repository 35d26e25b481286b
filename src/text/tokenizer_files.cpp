// SPDX-License-Identifier: Apache-2.0
#include "tokenizer_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "added_tokens.h"
#include "embedded.h"
#include "ember/base/files.h"
#include "ember/text/pre_tokenizers.h"
#include "ember/text/sentencepiece_model.h"
#include "ember/text/tiktoken_file.h"

namespace ember {

namespace {

using Json = nlohmann::json;
using AddedSpace = TokenizerParts::AddedSpace;
using Kind = TokenizerParts::Kind;
using Type = TokenizerParts::TokenType;

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

// The class that tokenizer_config.json names: "module.Class" in auto_map; empty: none.
std::string class_of(const SideFile& config) {
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

Result<const TokenizerClass*> find_class(const SideFile& config, bool tiktoken) {
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

// The files of a tokenizer, put together.
class Assembly {
 public:
  Assembly(const std::filesystem::path& dir, TokenizerParts parts)
      : dir_(dir), parts_(std::move(parts)) {}

  Result<TokenizerParts> run(bool tiktoken) {
    const Result<SideFile> config = SideFile::read(dir_ / "tokenizer_config.json");
    if (!config.ok()) return config.error();
    const Result<const TokenizerClass*> known = find_class(config.value(), tiktoken);
    if (!known.ok()) return known.error();
    const TokenizerClass& of_class = *known.value();
    Result<AddedTokens> added = read_added_tokens(dir_, config.value());
    if (!added.ok()) return added.error();
    add_tokens_of(of_class, added.value());
    index_tokens();
    if (tiktoken) {
      const PreTokenizer& split = *find_pre_tokenizer(of_class.split);
      parts_.split_steps = split.split_steps;
      parts_.normalize_nfc = split.normalize_nfc;
    }
    for (const auto& [id, token] : added.value().listed) put(id, token);
    name_special_tokens(added.value());
    for (const Result<void>& done :
         {set_added(config.value(), of_class), set_space(config.value())})
      if (!done.ok()) return done.error();
    if (!parts_.scores.empty()) parts_.scores.resize(parts_.tokens.size());
    parts_.named_tokens = std::move(added.value().named);
    return std::move(parts_);
  }

 private:
  // T5's are in the list where there is one.
  void add_tokens_of(const TokenizerClass& of_class, const AddedTokens& added) {
    class_begin_ = class_end_ = std::ssize(parts_.tokens);
    if (of_class.add_tokens == nullptr) return;
    if (of_class.add_tokens == add_t5 && added.listed_by_config) return;
    of_class.add_tokens(parts_);
    class_end_ = std::ssize(parts_.tokens);
  }

  void index_tokens() {
    for (size_t id = 0; id < parts_.tokens.size(); ++id)
      if (parts_.types[id] != Type::kUnused)
        ids_.emplace(parts_.tokens[id], static_cast<int32_t>(id));
  }

  // A token that a file lists. One that its class has added already keeps its text; what the model
  // has there gets the text and what the list says of it.
  void put(int32_t id, const AddedToken& token) {
    if (id >= class_begin_ && id < class_end_) return;
    const auto index = static_cast<size_t>(id);
    while (parts_.tokens.size() <= index) append(parts_, "", Type::kUnused);
    Type& type = parts_.types[index];
    std::string& text = parts_.tokens[index];
    const bool is_piece = text == token.text && (type == Type::kNormal || type == Type::kByte ||
                                                 type == Type::kUserDefined);
    if (text != token.text) {
      if (const std::optional<int32_t> other = find(token.text))
        parts_.types[static_cast<size_t>(*other)] = Type::kUnused;
      if (const auto old = ids_.find(text); old != ids_.end() && old->second == id) ids_.erase(old);
      text = token.text;
    }
    ids_[text] = id;
    parts_.matching[id] = token.matching;
    if (token.special && type != Type::kUnknown)
      type = Type::kControl;
    else if (!is_piece && type != Type::kUnknown)
      type = Type::kAdded;
  }

  // Tokens that the files give a name or call special are special where the vocabulary has them.
  void name_special_tokens(const AddedTokens& added) {
    for (const AddedToken& token : added.special)
      if (const std::optional<int32_t> id = find(token.text)) {
        Type& type = parts_.types[static_cast<size_t>(*id)];
        if (type != Type::kUnknown) type = Type::kControl;
      }
    for (const auto& [name, of] : {std::pair("bos_token", &parts_.bos), {"eos_token", &parts_.eos}})
      if (const auto named = added.named.find(name); named != added.named.end())
        if (const std::optional<int32_t> id = find(named->second)) *of = id;
  }

  Result<void> set_added(const SideFile& config, const TokenizerClass& of_class) {
    bool bos = of_class.add_bos, eos = of_class.add_eos;
    for (const Result<void>& read :
         {config.boolean("add_bos_token", bos), config.boolean("add_eos_token", eos)})
      if (!read.ok()) return read.error();
    parts_.add_bos = bos && parts_.bos;
    parts_.add_eos = eos && parts_.eos;
    return {};
  }

  // "legacy" tokenizers add a space behind special tokens too.
  Result<void> set_space(const SideFile& config) {
    bool legacy = true, add_space = true;
    for (const Result<void>& read :
         {config.boolean("legacy", legacy), config.boolean("add_prefix_space", add_space)})
      if (!read.ok()) return read.error();
    AddedSpace& space = parts_.rules.added_space;
    if (!add_space) space = AddedSpace::kNone;
    if (!legacy && space == AddedSpace::kEach) space = AddedSpace::kFirst;
    return {};
  }

  std::optional<int32_t> find(const std::string& text) const {
    const auto found = ids_.find(text);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }

  const std::filesystem::path dir_;
  TokenizerParts parts_;
  ptrdiff_t class_begin_ = 0, class_end_ = 0;  // ids of tokens that the class has added
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
