// SPDX-License-Identifier: Apache-2.0
#include "hf_tokenizer.h"

#include "hf_handle.h"

namespace ember {

namespace {

using Made = Result<std::unique_ptr<const TokenizerModel>>;

Error failure(const std::string& error) {
  return {ErrorKind::kInternal, "the tokenizer failed: " + error, "", "tokenizer_error"};
}

class HfTokenizer final : public TokenizerModel {
 public:
  explicit HfTokenizer(EmberTokenizer* handle) : handle_(handle) {}

  Result<std::vector<int32_t>> encode(std::string_view text,
                                      Tokenizer::EncodeOptions options) const override {
    EmberIds ids{};
    const std::string error =
        hf::take(ember_tokenizer_encode(handle_.get(), hf::data(text), text.size(),
                                        options.add_special_tokens, options.parse_special, &ids));
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

  std::optional<std::string> id_to_token(int32_t id) const override {
    EmberBytes bytes{};
    if (!ember_tokenizer_id_to_token(handle_.get(), static_cast<uint32_t>(id), &bytes))
      return std::nullopt;
    return hf::take(bytes);
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
  std::vector<int32_t> added_ids() const override {
    return hf::take(ember_tokenizer_added_ids(handle_.get()));
  }

 private:
  struct Deleter {
    void operator()(EmberTokenizer* handle) const { ember_tokenizer_free(handle); }
  };
  std::unique_ptr<EmberTokenizer, Deleter> handle_;
};

// Takes over what the library made, or its error.
Made adopt(const std::string& error, EmberTokenizer* made) {
  if (!error.empty()) return invalid("", error);
  return std::unique_ptr<const TokenizerModel>(std::make_unique<const HfTokenizer>(made));
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

Made load_hf_tokenizer(std::string_view json) {
  EmberTokenizer* loaded = nullptr;
  const std::string error = hf::take(ember_tokenizer_load(hf::data(json), json.size(), &loaded));
  return adopt(error, loaded);
}

Made build_hf_tokenizer(const TokenizerParts& parts) {
  using Type = TokenizerParts::TokenType;
  static_assert(sizeof(TokenizerParts::Merge) == 2 * sizeof(uint32_t));
  const JoinedTexts tokens(parts.tokens), splits(parts.split_steps);
  std::vector<uint8_t> types(parts.tokens.size(), static_cast<uint8_t>(Type::kNormal));
  for (size_t i = 0; i < parts.types.size(); ++i) {
    const bool added = parts.types[i] == Type::kAdded;  // here the same as a user's
    types[i] = static_cast<uint8_t>(added ? Type::kUserDefined : parts.types[i]);
  }
  std::vector<uint32_t> before, behind;
  if (parts.add_bos && parts.bos) before.push_back(static_cast<uint32_t>(*parts.bos));
  before.insert(before.end(), parts.prefix_ids.begin(), parts.prefix_ids.end());
  if (parts.add_eos && parts.eos) behind.push_back(static_cast<uint32_t>(*parts.eos));
  const EmberTokenizerParts raw{
      .tokens = tokens.view(),
      .types = types.data(),
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
  return adopt(error, built);
}

}  // namespace ember
