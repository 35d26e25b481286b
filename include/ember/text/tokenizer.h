// SPDX-License-Identifier: Apache-2.0
// Text to token ids and back, as transformers does it: with Hugging Face's tokenizers library, and
// for SentencePiece models as the sentencepiece library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ember/base/result.h"
#include "ember/text/tokenizer_parts.h"

namespace ember {

struct AddedTokens;
class TokenizerModel;

// Immutable: every function may be called from any thread.
class Tokenizer {
 public:
  static constexpr int32_t kMaxVocabSize = 1 << 22;

  // The file of `dir` that holds the tokenizer: tokenizer.json, else tokenizer.model, spiece.model
  // or the one that ends in .tiktoken; where there is none of these, the path of the first.
  static std::filesystem::path file_of(const std::filesystem::path& dir);

  // For all of these: vocab_size is that of the model. Added tokens with ids from there on are left
  // out: they are text like any other, which the log says. bos_token and eos_token are refused.

  // Of a directory's file_of(), or of such a file: a tokenizer.json, a SentencePiece model or a
  // tiktoken file. tokenizer_config.json, special_tokens_map.json and added_tokens.json are looked
  // for beside it. The error names the file and what is wrong with it.
  static Result<std::unique_ptr<Tokenizer>> load(const std::filesystem::path& path,
                                                 int32_t vocab_size = kMaxVocabSize);
  // Of a tokenizer.json's text, which `file` holds. named_tokens: as named_tokens() returns them.
  static Result<std::unique_ptr<Tokenizer>> parse(const std::string& json, const std::string& file,
                                                  std::map<std::string, std::string> named_tokens,
                                                  int32_t vocab_size = kMaxVocabSize);
  // Of its parts. The error says what is wrong with them.
  static Result<std::unique_ptr<Tokenizer>> build(TokenizerParts parts,
                                                  int32_t vocab_size = kMaxVocabSize);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  struct EncodeOptions {
    bool add_special_tokens = true;  // those of the post-processor, e.g. a BOS
    bool parse_special = true;       // special tokens written out in the text become their ids,
                                     // otherwise they are plain text
    bool behind = false;             // the text stands behind another one: what is added to the
                                     // beginning of a text only is not added
  };
  // Invalid UTF-8 in `text` is read as U+FFFD.
  Result<std::vector<int32_t>> encode(std::string_view text, EncodeOptions options) const;
  // kInvalid when an id is outside the vocabulary.
  Result<std::string> decode(std::span<const int32_t> ids, bool skip_special_tokens) const;

  // The largest id plus one, added tokens included.
  int32_t vocab_size() const { return static_cast<int32_t>(token_bytes_.size()); }
  bool is_special(int32_t id) const {
    return id >= 0 && id < vocab_size() && special_[static_cast<size_t>(id)];
  }
  // What the token stands for in the middle of a text, as raw bytes (perhaps part of a character);
  // empty for an unused id, and for one outside the vocabulary: many models have more rows than
  // tokens.
  const std::string& token_bytes(int32_t id) const {
    return id >= 0 && id < vocab_size() ? token_bytes_[static_cast<size_t>(id)] : no_bytes_;
  }
  size_t max_token_bytes() const { return max_token_bytes_; }  // of the longest token
  std::optional<int32_t> token_to_id(std::string_view token) const;

  // A special token as it is written. lstrip, rstrip: white space before or behind it is part of
  // it. single_word: beside a letter, a mark, a digit or a connector it is text like any other.
  struct SpecialText {
    std::string text;
    bool lstrip = false, rstrip = false, single_word = false;
    bool operator==(const SpecialText&) const = default;
  };
  // Those of the special tokens, and further ones that become such tokens.
  const std::vector<SpecialText>& special_tokens() const { return special_texts_; }
  // The beginning-of-sequence token (as tokenizer_config.json or TokenizerParts names it), as text;
  // empty: none.
  const std::string& bos_token() const { return bos_token_; }
  const std::string& eos_token() const { return eos_token_; }
  // The special tokens that have names, "bos_token" and "pad_token" for example, as transformers
  // gives them to chat templates.
  const std::map<std::string, std::string>& named_tokens() const { return named_tokens_; }
  // True when a token's text is its bytes, whatever stands around it (byte-level BPE): decode()
  // then is concatenation.
  bool byte_level() const { return byte_level_; }

  // What a known kind of model has beside what its files say: tokens that end an answer, and the
  // chat template where there is no other (empty: none).
  const std::vector<int32_t>& end_ids() const { return end_ids_; }
  const std::string& chat_template() const { return chat_template_; }

 private:
  Tokenizer();
  // As parse(), with the tokens that the files beside it list.
  static Result<std::unique_ptr<Tokenizer>> parse_with(const std::string& json,
                                                       const std::string& file, AddedTokens added,
                                                       int32_t vocab_size);
  void set_named_tokens(std::map<std::string, std::string> named);
  // Takes the model over, and checks its size and the ids that it adds.
  Result<void> adopt(std::unique_ptr<const TokenizerModel> model);

  std::unique_ptr<const TokenizerModel> model_;
  std::vector<std::string> token_bytes_;
  const std::string no_bytes_;
  size_t max_token_bytes_ = 0;
  std::vector<bool> special_;
  std::vector<SpecialText> special_texts_;
  std::string bos_token_, eos_token_;
  std::map<std::string, std::string> named_tokens_;
  bool byte_level_ = false;
  std::vector<int32_t> end_ids_;
  std::string chat_template_;
};

}  // namespace ember
