// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/unigram.h"

#include <algorithm>
#include <limits>

#include "ember/text/utf8.h"

namespace ember {

namespace {

using Type = SentencePieces::Type;

constexpr float kUnknownPenalty = 10;
// What a user-defined piece has instead of a score, for each byte but the first.
constexpr float kBonusOfByte = 0.1F;

// The best way to where it lies in the text.
struct Node {
  float score = 0;
  ptrdiff_t begin = -1;  // of its last segment; -1: no way has been found
  int32_t id = SentencePieces::kNone;
};

}  // namespace

Unigram::Unigram(const SentencePieces& pieces) : pieces_(pieces) {
  float least = std::numeric_limits<float>::max();
  for (int32_t id = 0; id < static_cast<int32_t>(pieces.size()); ++id)
    if (pieces.type(id) == Type::kNormal) least = std::min(least, pieces.score(id));
  unknown_score_ = least - kUnknownPenalty;
}

std::vector<Segment> Unigram::segments(std::string_view normalized) const {
  std::vector<Node> nodes(normalized.size() + 1);
  for (size_t begin = 0; begin < normalized.size();) {
    const std::string_view rest = normalized.substr(begin);
    const float so_far = nodes[begin].score;
    // float32 as SentencePiece's: rounding decides between ways that are nearly equal.
    const auto offer = [&](size_t length, float sum, int32_t id) {
      Node& node = nodes[begin + length];
      if (node.begin != -1 && sum <= node.score) return;
      node = {sum, static_cast<ptrdiff_t>(begin), id};
    };
    const size_t character = first_character(rest).size();
    bool spelled = false;
    pieces_.pieces().each(rest, [&](size_t length, int32_t id) {
      if (pieces_.type(id) == Type::kUnused) return;
      const bool user_defined = pieces_.type(id) == Type::kUserDefined;
      const float score =
          user_defined ? kBonusOfByte * static_cast<float>(length - 1) : pieces_.score(id);
      offer(length, score + so_far, id);
      spelled = spelled || length == character;
    });
    if (!spelled) offer(character, unknown_score_ + so_far, SentencePieces::kNone);
    begin += character;
  }
  std::vector<Segment> segments;
  for (size_t end = normalized.size(); end > 0;) {
    const Node& node = nodes[end];
    const auto begin = static_cast<size_t>(node.begin);
    segments.push_back({normalized.substr(begin, end - begin), node.id});
    end = begin;
  }
  std::ranges::reverse(segments);
  return segments;
}

}  // namespace ember
