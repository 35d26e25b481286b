// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/tokenizer.h"

#include <fmt/format.h>

#include <array>
#include <unordered_set>
#include <utility>

#include "ember/text/utf8.h"
#include "sentencepiece/bpe.h"
#include "sentencepiece/normalizer.h"
#include "sentencepiece/pieces.h"
#include "sentencepiece/unigram.h"
#include "words.h"

namespace ember {

namespace {

using Kind = TokenizerParts::Kind;
using AddedSpace = TokenizerParts::AddedSpace;
using Type = TokenizerParts::TokenType;
using Made = Result<std::unique_ptr<const TokenizerModel>>;

bool is_special(Type type) { return type == Type::kUnknown || type == Type::kControl; }

class SentencePieceTokenizer final : public TokenizerModel {
 public:
  explicit SentencePieceTokenizer(const TokenizerParts& parts)
      : pieces_(parts),
        matching_(parts.matching),
        added_space_(parts.rules.added_space),
        escaped_(parts.rules.escape_spaces),
        space_behind_(parts.rules.space_behind),
        unk_(parts.unk.value_or(SentencePieces::kNone)),
        aliases_(parts.aliases),
        before_(parts.prefix_ids) {
    if (parts.kind == Kind::kSentencePieceUnigram) unigram_.emplace(pieces_);
    if (parts.add_bos && parts.bos) before_.insert(before_.begin(), *parts.bos);
    if (parts.add_eos && parts.eos) behind_.push_back(*parts.eos);
    find_bytes();
    fill_cuts();
  }

  Result<void> set_normalizer(const TokenizerParts::SentencePieceRules& rules) {
    Result<SentencePieceNormalizer> made =
        SentencePieceNormalizer::create(rules, pieces_.user_defined());
    if (!made.ok()) return made.error();
    normalizer_ = std::move(made).value();
    return {};
  }

  Result<std::vector<int32_t>> encode(std::string_view text,
                                      Tokenizer::EncodeOptions options) const override {
    std::vector<int32_t> ids;
    if (options.add_special_tokens) ids = before_;
    const PrefixTable& cuts = options.parse_special ? all_cuts_ : added_cuts_;
    const auto add_before = [&](size_t begin, size_t end) {
      if (begin < end)
        add_stretch(text.substr(begin, end - begin), begin == 0 && !options.behind, ids);
    };
    size_t begin = 0;  // of what no cut has taken
    for (size_t at = 0; at < text.size();) {
      const PrefixTable::Match found = cuts.longest(text.substr(at));
      if (found.length == 0) {
        ++at;
        continue;
      }
      const size_t start = std::exchange(at, at + found.length);
      const Cut cut = cut_at(text, start, found);
      if (!cut.matches) continue;
      add_before(begin, std::max(begin, cut.begin));
      begin = cut.end;
      add_cut(found.value, ids);
    }
    add_before(begin, text.size());
    if (options.add_special_tokens) ids.insert(ids.end(), behind_.begin(), behind_.end());
    return ids;
  }

  // As Hugging Face's decoders do it: bytes that are no UTF-8 become U+FFFD each.
  Result<std::string> decode(std::span<const int32_t> ids,
                             bool skip_special_tokens) const override {
    std::string text, bytes;
    const auto end_bytes = [&] {
      if (is_valid_utf8(bytes))
        text += bytes;
      else
        for (size_t i = 0; i < bytes.size(); ++i) text += kReplacement;
      bytes.clear();
    };
    for (const int32_t id : ids) {
      const Type type = pieces_.type(id);
      if (is_special(type) && skip_special_tokens) continue;
      if (type == Type::kByte) {
        bytes.push_back(byte_of(pieces_.token(id)));
        continue;
      }
      end_bytes();
      append_unescaped(pieces_.token(id), text);
    }
    end_bytes();
    take_off_space(text);
    return text;
  }

  size_t vocab_size() const override { return pieces_.size(); }

  std::string token_bytes(int32_t id) const override {
    if (id < 0 || static_cast<size_t>(id) >= pieces_.size() || pieces_.type(id) == Type::kUnused)
      return {};
    if (pieces_.type(id) == Type::kByte) return {byte_of(pieces_.token(id))};
    std::string bytes;
    append_unescaped(pieces_.token(id), bytes);
    return bytes;
  }
  std::optional<int32_t> token_to_id(std::string_view token) const override {
    const int32_t id = pieces_.token_id(token);
    if (id == SentencePieces::kNone || pieces_.type(id) == Type::kUnused) return std::nullopt;
    return id;
  }

  std::vector<int32_t> special_ids() const override {
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < static_cast<int32_t>(pieces_.size()); ++id)
      if (is_special(pieces_.type(id))) ids.push_back(id);
    return ids;
  }
  Tokenizer::SpecialText special_text(int32_t id) const override {
    const TokenizerParts::Matching how = matching(id);
    return {.text = pieces_.token(id),
            .lstrip = how.lstrip,
            .rstrip = how.rstrip,
            .single_word = how.single_word};
  }

 private:
  TokenizerParts::Matching matching(int32_t id) const {
    const auto found = matching_.find(id);
    return found == matching_.end() ? TokenizerParts::Matching() : found->second;
  }

  static char byte_of(const std::string& token) {
    return static_cast<char>(std::strtol(token.c_str() + 3, nullptr, 16));
  }

  void find_bytes() {
    bytes_.fill(unk_);
    for (int32_t id = 0; id < static_cast<int32_t>(pieces_.size()); ++id) {
      if (pieces_.type(id) != Type::kByte) continue;
      byte_fallback_ = true;
      bytes_[static_cast<unsigned char>(byte_of(pieces_.token(id)))] = id;
    }
  }

  void fill_cuts() {
    std::vector<PrefixTable::Entry> added, all;
    for (int32_t id = 0; id < static_cast<int32_t>(pieces_.size()); ++id) {
      const Type type = pieces_.type(id);
      const bool cuts = is_special(type) || type == Type::kAdded || matching_.contains(id);
      if (!cuts || type == Type::kUnused || pieces_.token(id).empty()) continue;
      all.push_back({pieces_.token(id), id});
      if (!is_special(type)) added.push_back(all.back());
    }
    for (size_t i = 0; i < aliases_.size(); ++i)
      all.push_back({aliases_[i].text, -1 - static_cast<int32_t>(i)});
    added_cuts_ = PrefixTable(std::move(added));
    all_cuts_ = PrefixTable(std::move(all));
  }

  // The stretch of a text that a token takes, as Hugging Face's library has it.
  struct Cut {
    bool matches = true;
    size_t begin, end;
  };
  Cut cut_at(std::string_view text, size_t start, const PrefixTable::Match& found) const {
    const std::string_view before = text.substr(0, start),
                           behind = text.substr(start + found.length);
    Cut cut{.begin = start, .end = start + found.length};
    const TokenizerParts::Matching how = matching(found.value);
    cut.matches = !how.single_word || (!ends_with_word(before) && !begins_with_word(behind));
    if (how.lstrip) cut.begin -= white_space_at_end(before);
    if (how.rstrip) cut.end += white_space_at_begin(behind);
    return cut;
  }

  void add_cut(int32_t value, std::vector<int32_t>& ids) const {
    if (value >= 0) return ids.push_back(value);
    const std::vector<int32_t>& of_alias = aliases_[static_cast<size_t>(-1 - value)].ids;
    ids.insert(ids.end(), of_alias.begin(), of_alias.end());
  }

  // What lies between two cuts.
  void add_stretch(std::string_view text, bool first, std::vector<int32_t>& ids) const {
    const bool add_space =
        added_space_ == AddedSpace::kEach || (added_space_ == AddedSpace::kFirst && first);
    const std::string normalized = normalizer_->normalize(text, add_space);
    const std::vector<Segment> segments =
        unigram_ ? unigram_->segments(normalized) : bpe_segments(pieces_, normalized);
    bool behind_unknown = false;
    for (const Segment& segment : segments) {
      const bool unknown = segment.id == SentencePieces::kNone || segment.id == unk_;
      if (!unknown)
        ids.push_back(segment.id);
      else if (byte_fallback_)
        for (const char c : segment.text) add(bytes_[static_cast<unsigned char>(c)], ids);
      else if (!behind_unknown)  // a run of unknown characters is one token
        add(unk_, ids);
      behind_unknown = unknown;
    }
  }
  static void add(int32_t id, std::vector<int32_t>& ids) {
    if (id != SentencePieces::kNone) ids.push_back(id);
  }

  void append_unescaped(std::string_view token, std::string& text) const {
    while (!token.empty()) {
      const size_t space = escaped_ ? token.find(kEscapedSpace) : std::string_view::npos;
      text += token.substr(0, space);
      if (space == std::string_view::npos) return;
      text += ' ';
      token.remove_prefix(space + kEscapedSpace.size());
    }
  }

  void take_off_space(std::string& text) const {
    if (added_space_ == AddedSpace::kNone) return;
    if (space_behind_) {
      if (text.ends_with(' ')) text.pop_back();
    } else if (text.starts_with(' ')) {
      text.erase(0, 1);
    }
  }

  const SentencePieces pieces_;
  std::optional<Unigram> unigram_;  // none: byte-pair encoding
  const std::map<int32_t, TokenizerParts::Matching> matching_;
  const AddedSpace added_space_;
  const bool escaped_, space_behind_;
  const int32_t unk_;  // kNone: none
  const std::vector<TokenizerParts::Alias> aliases_;
  std::vector<int32_t> before_, behind_;
  bool byte_fallback_ = false;
  std::array<int32_t, 256> bytes_{};
  // Numbers below zero are aliases: -1 is the first.
  PrefixTable added_cuts_, all_cuts_;
  std::optional<SentencePieceNormalizer> normalizer_;
};

Result<void> check_tokens(const TokenizerParts& parts) {
  std::unordered_set<std::string_view> seen;
  for (size_t id = 0; id < parts.tokens.size(); ++id) {
    const std::string& token = parts.tokens[id];
    const Type type = parts.types.empty() ? Type::kNormal : parts.types[id];
    if (!is_valid_utf8(token)) return invalid("", fmt::format("token {} is not UTF-8", id));
    if (type != Type::kUnused && !seen.insert(token).second)
      return invalid("", fmt::format("token {} has the text of another one: {:?}", id, token));
    if (type == Type::kByte &&
        (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>' ||
         token.find_first_not_of("0123456789ABCDEFabcdef", 3) != 5))
      return invalid("",
                     fmt::format("token {} must be a byte as <0x0A> is, found {:?}", id, token));
  }
  return {};
}

}  // namespace

Made make_sentencepiece_tokenizer(const TokenizerParts& parts) {
  if (const Result<void> checked = check_tokens(parts); !checked.ok()) return checked.error();
  auto made = std::make_unique<SentencePieceTokenizer>(parts);
  if (const Result<void> set = made->set_normalizer(parts.rules); !set.ok()) return set.error();
  return std::unique_ptr<const TokenizerModel>(std::move(made));
}

}  // namespace ember
