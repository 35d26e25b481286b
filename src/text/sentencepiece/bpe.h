// SPDX-License-Identifier: Apache-2.0
// SentencePiece's byte-pair encoding.
#pragma once

#include <string_view>
#include <vector>

#include "sentencepiece/pieces.h"

namespace ember {

// Neighbours are merged while two of them spell a piece, the best score first, of equal ones the
// leftmost. User-defined pieces are never merged; an unused piece is taken apart again in the end.
std::vector<Segment> bpe_segments(const SentencePieces& pieces, std::string_view normalized);

}  // namespace ember
