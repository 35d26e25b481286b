// SPDX-License-Identifier: Apache-2.0
#include "hf_tokenizer.h"

#include <nlohmann/json.hpp>

#include "byte_level.h"
#include "hf_handle.h"

namespace ember {

namespace {

using Made = Result<std::unique_ptr<const TokenizerModel>>;

Error failure(const std::string& error) {
  return {ErrorKind::kInternal, "the tokenizer failed: " + error, "", "tokenizer_error"};
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

class HfTokenizer final : public TokenizerModel {
 public:
  HfTokenizer(EmberTokenizer* handle, TokenForm form) : handle_(handle), form_(form) {}

  Result<std::vector<int32_t>> encode(std::string_view text,
                                      Tokenizer::EncodeOptions options) const override {
    EmberIds ids{};
    const std::string error = hf::take(ember_tokenizer_encode(
        handle_.get(), hf::data(text), text.size(), options.add_special_tokens,
        options.parse_special, options.behind, &ids));
    if (!error.empty()) return failure(error);
    return hf::take(ids);
  }

  Result<std::string> decode(std::span<const int32_t> ids,
                             bool skip_special_tokens) const override {
    const std::vector<uint32_t> list(ids.begin(), ids.end());
    EmberBytes bytes{};
    const std::string error = hf::take(ember_tokenizer_decode(
        handle_.get(), list.data(), list.size(), skip_special_tokens, &bytes));
    if (!error.empty()) return failure(error);
    return hf::take(bytes);
  }

  size_t vocab_size() const override { return ember_tokenizer_vocab_size(handle_.get()); }

  // Decoders know no difference between added tokens and others.
  std::string token_bytes(int32_t id) const override {
    EmberBytes bytes{};
    if (!ember_tokenizer_id_to_token(handle_.get(), static_cast<uint32_t>(id), &bytes)) return {};
    std::string token = hf::take(bytes);
    return form_ == TokenForm::kByteLevel   ? from_byte_level(token)
           : form_ == TokenForm::kMetaspace ? from_metaspace(token)
                                            : token;
  }

  std::optional<int32_t> token_to_id(std::string_view token) const override {
    uint32_t id = 0;
    if (!ember_tokenizer_token_to_id(handle_.get(), hf::data(token), token.size(), &id))
      return std::nullopt;
    return static_cast<int32_t>(id);
  }

  std::vector<int32_t> special_ids() const override {
    return hf::take(ember_tokenizer_special_ids(handle_.get()));
  }
  Tokenizer::SpecialText special_text(int32_t id) const override {
    EmberAddedToken token{};
    if (!ember_tokenizer_added_token(handle_.get(), static_cast<uint32_t>(id), &token)) return {};
    return {.text = hf::take(token.text),
            .lstrip = token.lstrip,
            .rstrip = token.rstrip,
            .single_word = token.single_word};
  }

 private:
  struct Deleter {
    void operator()(EmberTokenizer* handle) const { ember_tokenizer_free(handle); }
  };
  std::unique_ptr<EmberTokenizer, Deleter> handle_;
  const TokenForm form_;
};

// Takes over what the library made, or its error.
Made adopt(const std::string& error, EmberTokenizer* made, TokenForm form) {
  if (!error.empty()) return invalid("", error);
  return std::unique_ptr<const TokenizerModel>(std::make_unique<const HfTokenizer>(made, form));
}

// As a tokenizer.json writes them.
std::string to_json(std::span<const AddedToken> tokens) {
  nlohmann::json list = nlohmann::json::array();
  for (const AddedToken& token : tokens)
    list.push_back({{"content", token.text},
                    {"special", token.special},
                    {"lstrip", token.matching.lstrip},
                    {"rstrip", token.matching.rstrip},
                    {"single_word", token.matching.single_word},
                    {"normalized", token.matching.normalized}});
  return list.dump();
}

// The flags of ember_hf.h for each token.
std::vector<uint8_t> matching_bits(const TokenizerParts& parts) {
  std::vector<uint8_t> bits(parts.tokens.size());
  for (size_t id = 0; id < parts.types.size(); ++id)
    if (parts.types[id] == TokenizerParts::TokenType::kAdded) bits[id] = 1;
  for (const auto& [id, how] : parts.matching)
    bits[static_cast<size_t>(id)] = static_cast<uint8_t>(
        1 | how.lstrip << 1 | how.rstrip << 2 | how.single_word << 3 | how.normalized << 4);
  return bits;
}

// Texts one after the other, as the library reads them.
struct JoinedTexts {
  explicit JoinedTexts(const std::vector<std::string>& texts) {
    lengths.reserve(texts.size());
    for (const std::string& text : texts) {
      all += text;
      lengths.push_back(static_cast<uint32_t>(text.size()));
    }
  }
  EmberTexts view() const { return {hf::data(all), lengths.data(), lengths.size()}; }

  std::string all;
  std::vector<uint32_t> lengths;
};

}  // namespace

Made load_hf_tokenizer(std::string_view json, TokenForm form, std::span<const AddedToken> added,
                       int32_t limit, std::vector<std::string>& left_out) {
  EmberTokenizer* loaded = nullptr;
  const std::string list = to_json(added);
  const std::string error =
      hf::take(ember_tokenizer_load(hf::data(json), json.size(), hf::data(list), list.size(),
                                    static_cast<uint32_t>(limit), &loaded));
  if (error.empty())
    left_out = nlohmann::json::parse(hf::take(ember_tokenizer_left_out(loaded)))
                   .get<std::vector<std::string>>();
  return adopt(error, loaded, form);
}

Made build_hf_tokenizer(const TokenizerParts& parts) {
  using Type = TokenizerParts::TokenType;
  static_assert(sizeof(TokenizerParts::Merge) == 2 * sizeof(uint32_t));
  const JoinedTexts tokens(parts.tokens), splits(parts.split_steps);
  std::vector<uint8_t> types(parts.tokens.size(), static_cast<uint8_t>(Type::kNormal));
  for (size_t i = 0; i < parts.types.size(); ++i)
    if (parts.types[i] != Type::kAdded) types[i] = static_cast<uint8_t>(parts.types[i]);
  const std::vector<uint8_t> matching = matching_bits(parts);
  std::vector<uint32_t> before, behind;
  if (parts.add_bos && parts.bos) before.push_back(static_cast<uint32_t>(*parts.bos));
  before.insert(before.end(), parts.prefix_ids.begin(), parts.prefix_ids.end());
  if (parts.add_eos && parts.eos) behind.push_back(static_cast<uint32_t>(*parts.eos));
  const EmberTokenizerParts raw{
      .tokens = tokens.view(),
      .types = types.data(),
      .matching = matching.data(),
      .merges = reinterpret_cast<const uint32_t*>(parts.merges.data()),
      .num_merges = parts.merges.size(),
      .splits = splits.view(),
      .ignore_merges = parts.ignore_merges,
      .normalize_nfc = parts.normalize_nfc,
      .before = before.data(),
      .behind = behind.data(),
      .num_before = before.size(),
      .num_behind = behind.size(),
  };
  EmberTokenizer* built = nullptr;
  const std::string error = hf::take(ember_tokenizer_build(&raw, &built));
  return adopt(error, built, TokenForm::kByteLevel);
}

}  // namespace ember
