// SPDX-License-Identifier: Apache-2.0
// Small vocabularies, and what becomes of a text with one.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "sentencepiece/pieces.h"

namespace ember::test {

inline std::vector<int32_t> ids_of(const std::vector<Segment>& segments) {
  std::vector<int32_t> ids;
  for (const Segment& segment : segments) ids.push_back(segment.id);
  return ids;
}

inline TokenizerParts pieces_of(std::vector<std::string> tokens, std::vector<float> scores,
                                TokenizerParts::Kind kind) {
  TokenizerParts parts;
  parts.kind = kind;
  parts.types.assign(tokens.size(), TokenizerParts::TokenType::kNormal);
  parts.tokens = std::move(tokens);
  parts.scores = std::move(scores);
  return parts;
}

}  // namespace ember::test
