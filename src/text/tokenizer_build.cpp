// SPDX-License-Identifier: Apache-2.0
// Tokenizer::build: checks the parts and has the model made that they are for.
#include <fmt/format.h>

#include "ember/text/tokenizer.h"
#include "hf_tokenizer.h"
#include "sentencepiece/tokenizer.h"

namespace ember {

namespace {

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
  for (const auto& [name, ids] : {std::pair("prefix", &parts.prefix_ids), {"end", &parts.end_ids}})
    for (const int32_t id : *ids)
      if (const Error error = check_id(name, id, false); !error.message.empty()) return error;
  return {};
}

Result<std::unique_ptr<const TokenizerModel>> make_model(const TokenizerParts& parts) {
  return parts.kind == TokenizerParts::Kind::kByteLevelBpe ? build_hf_tokenizer(parts)
                                                           : make_sentencepiece_tokenizer(parts);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::build(const TokenizerParts& parts) {
  if (const Result<void> checked = check_parts(parts); !checked.ok()) return checked.error();
  Result<std::unique_ptr<const TokenizerModel>> made = make_model(parts);
  if (!made.ok()) return refusal(made.error().message);
  const bool byte_level = parts.kind == TokenizerParts::Kind::kByteLevelBpe;
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer);
  if (const Result<void> adopted = tokenizer->adopt(
          std::move(made).value(), byte_level ? TokenForm::kByteLevel : TokenForm::kMetaspace);
      !adopted.ok())
    return refusal(adopted.error().message);
  tokenizer->byte_level_ = byte_level;
  for (const TokenizerParts::Alias& alias : parts.aliases)
    tokenizer->special_texts_.push_back(alias.text);
  tokenizer->end_ids_ = parts.end_ids;
  tokenizer->chat_template_ = parts.chat_template;
  std::map<std::string, std::string> named;
  for (const auto& [name, id] :
       {std::pair("bos_token", parts.bos), {"eos_token", parts.eos}, {"unk_token", parts.unk}})
    if (id) named[name] = parts.tokens[static_cast<size_t>(*id)];
  tokenizer->set_named_tokens(std::move(named));
  return tokenizer;
}

}  // namespace ember
