// SPDX-License-Identifier: Apache-2.0
#include "ember/scheduler/ngram_draft.h"

#include <algorithm>

namespace ember {

namespace {

constexpr size_t kLongest = 4, kShortest = 2;
constexpr size_t kWindow = 8192;  // a few microseconds

}  // namespace

void ngram_draft(std::span<const int32_t> tokens, int num_tokens, std::vector<int32_t>& draft) {
  draft.clear();
  tokens = tokens.last(std::min(tokens.size(), kWindow));
  const size_t size = tokens.size();
  size_t best = 0, begin = 0;  // length of the longest match, and what follows it
  for (size_t end = size; end-- > kShortest && best < kLongest;) {
    size_t length = 0;  // of the match that ends before `end`
    while (length < std::min(kLongest, end) &&
           tokens[end - 1 - length] == tokens[size - 1 - length])
      ++length;
    if (length < kShortest || length <= best) continue;
    best = length;
    begin = end;
  }
  if (best == 0) return;
  for (size_t i = 0; i < static_cast<size_t>(std::max(0, num_tokens)); ++i)
    draft.push_back(tokens[begin + i % (size - begin)]);
}

}  // namespace ember
