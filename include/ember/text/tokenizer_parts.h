// SPDX-License-Identifier: Apache-2.0
// What a tokenizer is made of, for files that hold its parts instead of a tokenizer.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ember {

// Tokenizer::build() makes a tokenizer of it. Ids are positions in `tokens`.
struct TokenizerParts {
  enum class Kind : uint8_t {
    kByteLevelBpe,      // tokens spell bytes in GPT-2's alphabet; `merges` are given by rank
    kSentencePieceBpe,  // U+2581 spells a space; merges follow from `tokens` and `scores`
  };
  // The numbers are those of SentencePiece's and GGUF's files.
  enum class TokenType : uint8_t {
    kNormal = 1,
    kUnknown = 2,      // special; stands for what no token spells
    kControl = 3,      // special: not part of a decoded text
    kUserDefined = 4,  // found in the text before anything is split or merged
    kUnused = 5,       // no text becomes it
    kByte = 6,         // <0x00> to <0xFF>: bytes of characters that no token spells
  };
  // The token that two neighbours become is the one whose text is theirs, one after the other.
  struct Merge {
    int32_t left, right;  // ids
  };

  Kind kind = Kind::kByteLevelBpe;
  std::vector<std::string> tokens;  // UTF-8; no two alike, except for unused ones
  std::vector<TokenType> types;     // one a token; empty: all are normal
  std::vector<float> scores;        // kSentencePieceBpe: one a token, high ones are merged first;
                                    // empty: all are 0
  std::vector<Merge> merges;        // kByteLevelBpe: the first is merged first

  // kByteLevelBpe: regular expressions (Oniguruma), applied one after the other. Each cuts what the
  // one before left into its matches and what lies between them; nothing is merged across a cut.
  std::vector<std::string> split_steps;
  // kByteLevelBpe: a piece that is a token becomes it, whatever the merges say.
  bool ignore_merges = false;
  bool normalize_nfc = false;     // the text is brought into Unicode's form NFC first
  bool add_space_prefix = false;  // kSentencePieceBpe: a space is put before each stretch of text
                                  // between special tokens, and the first is taken off in decoding

  // What EncodeOptions::add_special_tokens adds around a text; the id must be there.
  bool add_bos = false, add_eos = false;
  std::optional<int32_t> bos, eos;
  std::optional<int32_t> unk;  // kSentencePieceBpe: for what neither tokens nor bytes spell
};

}  // namespace ember
