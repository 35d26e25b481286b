// SPDX-License-Identifier: Apache-2.0
// Tokenizer::build: what the Rust library takes, from TokenizerParts.
#include <fmt/format.h>

#include "ember/text/tokenizer.h"
#include "hf_handle.h"

namespace ember {

namespace {

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

Error refusal(const std::string& what) { return invalid("", "tokenizer: " + what); }

Result<void> check_parts(const TokenizerParts& parts) {
  const size_t count = parts.tokens.size();
  const auto one_each = [&](size_t size) { return size == 0 || size == count; };
  if (!one_each(parts.types.size()))
    return refusal(fmt::format("{} token types for {} tokens", parts.types.size(), count));
  if (!one_each(parts.scores.size()))
    return refusal(fmt::format("{} scores for {} tokens", parts.scores.size(), count));
  const auto check_id = [&](const char* name, std::optional<int32_t> id, bool needed) {
    if (needed && !id) return refusal(fmt::format("add_{0} without a {0} token", name));
    if (id && (*id < 0 || static_cast<size_t>(*id) >= count))
      return refusal(fmt::format("{} {} must be 0 to {}", name, *id, count - 1));
    return Error{};
  };
  for (const Error& error :
       {check_id("bos", parts.bos, parts.add_bos), check_id("eos", parts.eos, parts.add_eos),
        check_id("unk", parts.unk, false)})
    if (!error.message.empty()) return error;
  return {};
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::build(const TokenizerParts& parts) {
  static_assert(sizeof(TokenizerParts::Merge) == 2 * sizeof(uint32_t));
  if (const Result<void> checked = check_parts(parts); !checked.ok()) return checked.error();
  const bool byte_level = parts.kind == TokenizerParts::Kind::kByteLevelBpe;
  const JoinedTexts tokens(parts.tokens), splits(parts.split_steps);
  std::vector<uint8_t> types(parts.tokens.size(),
                             static_cast<uint8_t>(TokenizerParts::TokenType::kNormal));
  for (size_t i = 0; i < parts.types.size(); ++i) types[i] = static_cast<uint8_t>(parts.types[i]);
  const auto id_or_none = [](bool wanted, std::optional<int32_t> id) -> int64_t {
    return wanted && id ? *id : -1;
  };
  const EmberTokenizerParts raw{
      .tokens = tokens.view(),
      .types = types.data(),
      .scores = parts.scores.empty() ? nullptr : parts.scores.data(),
      .merges = reinterpret_cast<const uint32_t*>(parts.merges.data()),
      .num_merges = parts.merges.size(),
      .splits = splits.view(),
      .sentencepiece = !byte_level,
      .ignore_merges = parts.ignore_merges,
      .normalize_nfc = parts.normalize_nfc,
      .add_space_prefix = parts.add_space_prefix,
      .bos = id_or_none(parts.add_bos, parts.bos),
      .eos = id_or_none(parts.add_eos, parts.eos),
      .unk = id_or_none(true, parts.unk),
  };
  EmberTokenizer* built = nullptr;
  if (const std::string error = hf::take(ember_tokenizer_build(&raw, &built)); !error.empty())
    return refusal(error);
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer);
  if (const Result<void> adopted =
          tokenizer->adopt(built, byte_level ? TokenForm::kByteLevel : TokenForm::kMetaspace);
      !adopted.ok())
    return refusal(adopted.error().message);
  tokenizer->byte_level_ = byte_level;
  if (parts.bos) tokenizer->bos_token_ = parts.tokens[static_cast<size_t>(*parts.bos)];
  if (parts.eos) tokenizer->eos_token_ = parts.tokens[static_cast<size_t>(*parts.eos)];
  const auto name = [&](const char* key, const auto& id) {
    if (id) tokenizer->named_tokens_[key] = parts.tokens[static_cast<size_t>(*id)];
  };
  name("bos_token", parts.bos);
  name("eos_token", parts.eos);
  name("unk_token", parts.unk);
  return tokenizer;
}

}  // namespace ember
