// SPDX-License-Identifier: Apache-2.0
// What a tokenizer is made of, for files that hold its parts instead of a tokenizer.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ember {

// Tokenizer::build() makes a tokenizer of it. Ids are positions in `tokens`.
struct TokenizerParts {
  enum class Kind : uint8_t {
    kByteLevelBpe,          // tokens spell bytes in GPT-2's alphabet; `merges` are given by rank
    kSentencePieceBpe,      // two neighbours become the token that both spell, the best score first
    kSentencePieceUnigram,  // of all ways to cut a text into tokens, the one with the best sum
  };
  // The numbers to 6 are those of SentencePiece's and GGUF's files.
  enum class TokenType : uint8_t {
    kNormal = 1,
    kUnknown = 2,      // special; stands for what no token spells
    kControl = 3,      // special: not part of a decoded text
    kUserDefined = 4,  // found in the text before anything is split or merged
    kUnused = 5,       // no text becomes it
    kByte = 6,         // <0x00> to <0xFF>: bytes of characters that no token spells
    kAdded = 7,        // cuts a text as special ones do, but is part of a decoded one
  };
  // How the text of a token is looked for that cuts a text.
  struct Matching {
    bool lstrip = false, rstrip = false;  // white space before or behind it is part of it
    bool single_word = false;             // no letter, digit or underscore stands beside it
    bool normalized = false;  // in the text after it is normalized (byte-level BPE only)
  };
  // The token that two neighbours become is the one whose text is theirs, one after the other.
  struct Merge {
    int32_t left, right;  // ids
  };
  // Where a space is added to a text.
  enum class AddedSpace : uint8_t {
    kNone,
    kFirst,  // before a text that does not begin with a special or an added token
    kEach,   // before each stretch between such tokens
  };
  // What a text becomes before it is cut, in the order in which it is done. U+2581 is a space.
  struct SentencePieceRules {
    std::string charsmap;       // how characters are rewritten (SentencePiece's precompiled form)
    bool merge_spaces = false;  // runs of them become one, those at both ends nothing
    bool escape_spaces = true;  // they become U+2581
    AddedSpace added_space = AddedSpace::kNone;  // it is taken off in decoding
    bool space_behind = false;                   // it is added behind, not before
  };
  // A further text for special tokens.
  struct Alias {
    std::string text;
    std::vector<int32_t> ids;
  };

  Kind kind = Kind::kByteLevelBpe;
  std::vector<std::string> tokens;  // UTF-8; no two alike, except for unused ones
  std::vector<TokenType> types;     // one a token; empty: all are normal
  // Tokens that cut a text whatever their type is, and how those that do so by their type are
  // looked for; absent: as they stand.
  std::map<int32_t, Matching> matching;

  // SentencePiece.
  std::vector<float> scores;  // one a token; empty: all are 0
  SentencePieceRules rules;
  std::optional<int32_t> unk;  // for what neither tokens nor bytes spell; without, it is left out
  std::vector<Alias> aliases;

  // Byte-level BPE.
  std::vector<Merge> merges;  // the first is merged first
  // Regular expressions (Oniguruma), applied one after the other. Each cuts what the one before
  // left into its matches and what lies between them; nothing is merged across a cut.
  std::vector<std::string> split_steps;
  bool ignore_merges = false;  // a piece that is a token becomes it, whatever the merges say
  bool normalize_nfc = false;  // the text is brought into Unicode's form NFC first

  // What EncodeOptions::add_special_tokens adds around a text: bos and prefix_ids before, eos
  // behind. The ids must be there.
  bool add_bos = false, add_eos = false;
  std::optional<int32_t> bos, eos;
  std::vector<int32_t> prefix_ids;

  // Names of tokens, "pad_token" for example, besides those of bos, eos and unk.
  std::map<std::string, std::string> named_tokens;

  // What the files of a model leave to code that comes with it.
  std::vector<int32_t> end_ids;  // end an answer, besides eos
  std::string chat_template;     // for a model that has none
};

}  // namespace ember
