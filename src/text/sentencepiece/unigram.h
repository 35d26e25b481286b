// SPDX-License-Identifier: Apache-2.0
// SentencePiece's unigram model.
#pragma once

#include <string_view>
#include <vector>

#include "sentencepiece/pieces.h"

namespace ember {

class Unigram {
 public:
  // `pieces` must outlive it.
  explicit Unigram(const SentencePieces& pieces);

  // The way to cut the text whose scores have the best sum; of equal ones that whose last piece is
  // the longest. As sentencepiece 0.2.3: 0.2.0 cuts about 1 in 20 random texts in another way that
  // has the same sum, and user-defined pieces in other places.
  std::vector<Segment> segments(std::string_view normalized) const;

 private:
  const SentencePieces& pieces_;
  float unknown_score_;
};

}  // namespace ember
