// SPDX-License-Identifier: Apache-2.0
// Tokenizer::build: checks the parts and has the model made that they are for.
#include <fmt/format.h>

#include "ember/text/tokenizer.h"
#include "hf_tokenizer.h"
#include "left_out.h"
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
  for (const auto& [id, how] : parts.matching)
    if (const Error error = check_id("matched token", id, false); !error.message.empty())
      return error;
  for (const auto& [name, ids] : {std::pair("prefix", &parts.prefix_ids), {"end", &parts.end_ids}})
    for (const int32_t id : *ids)
      if (const Error error = check_id(name, id, false); !error.message.empty()) return error;
  return {};
}

// Tokens at the end that are not the model's own go, as far as they lie beyond its vocabulary. The
// texts of those that were in use.
std::vector<std::string> cut_off(TokenizerParts& parts, size_t vocab_size) {
  using Type = TokenizerParts::TokenType;
  const auto is_added = [&](size_t id) {
    const Type type = id < parts.types.size() ? parts.types[id] : Type::kNormal;
    return type == Type::kControl || type == Type::kUserDefined || type == Type::kUnused ||
           type == Type::kAdded;
  };
  size_t size = parts.tokens.size();
  std::vector<std::string> texts;
  for (; size > vocab_size && is_added(size - 1); --size)
    if (parts.types[size - 1] != Type::kUnused) texts.push_back(parts.tokens[size - 1]);
  parts.tokens.resize(size);
  if (parts.types.size() > size) parts.types.resize(size);
  if (parts.scores.size() > size) parts.scores.resize(size);
  parts.matching.erase(parts.matching.lower_bound(static_cast<int32_t>(size)),
                       parts.matching.end());
  return texts;
}

std::map<std::string, std::string> names_of(const TokenizerParts& parts) {
  std::map<std::string, std::string> names = parts.named_tokens;
  for (const auto& [name, id] :
       {std::pair("bos_token", parts.bos), {"eos_token", parts.eos}, {"unk_token", parts.unk}})
    if (id) names.try_emplace(name, parts.tokens[static_cast<size_t>(*id)]);
  return names;
}

Result<std::unique_ptr<const TokenizerModel>> make_model(const TokenizerParts& parts) {
  return parts.kind == TokenizerParts::Kind::kByteLevelBpe ? build_hf_tokenizer(parts)
                                                           : make_sentencepiece_tokenizer(parts);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::build(TokenizerParts parts, int32_t vocab_size) {
  if (const Result<void> checked = check_parts(parts); !checked.ok()) return checked.error();
  std::map<std::string, std::string> names = names_of(parts);
  const std::vector<std::string> left_out = cut_off(parts, static_cast<size_t>(vocab_size));
  if (const Result<void> told = report_left_out(left_out, names, vocab_size); !told.ok())
    return refusal(told.error().message);
  if (const Result<void> checked = check_parts(parts); !checked.ok()) return checked.error();
  Result<std::unique_ptr<const TokenizerModel>> made = make_model(parts);
  if (!made.ok()) return refusal(made.error().message);
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer);
  if (const Result<void> adopted = tokenizer->adopt(std::move(made).value()); !adopted.ok())
    return refusal(adopted.error().message);
  tokenizer->byte_level_ = parts.kind == TokenizerParts::Kind::kByteLevelBpe;
  for (const TokenizerParts::Alias& alias : parts.aliases)
    tokenizer->special_texts_.push_back({.text = alias.text});
  tokenizer->end_ids_ = std::move(parts.end_ids);
  tokenizer->chat_template_ = std::move(parts.chat_template);
  tokenizer->set_named_tokens(std::move(names));
  return tokenizer;
}

}  // namespace ember
