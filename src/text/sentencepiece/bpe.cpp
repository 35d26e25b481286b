// SPDX-License-Identifier: Apache-2.0
#include "sentencepiece/bpe.h"

#include <queue>
#include <unordered_map>

#include "ember/text/utf8.h"

namespace ember {

namespace {

struct Symbol {
  std::string_view text;  // empty: merged into the one before
  ptrdiff_t before, behind;
  bool frozen;
};

struct Pair {
  float score;
  ptrdiff_t left, right;
  size_t size;  // of both texts when it was found

  // The queue's top is the greatest.
  bool operator<(const Pair& other) const {
    return score < other.score || (score == other.score && left > other.left);
  }
};

class Merger {
 public:
  Merger(const SentencePieces& pieces, std::string_view text) : pieces_(pieces) {
    while (!text.empty()) {
      const size_t user_defined = pieces.user_defined().longest(text).length;
      const size_t length = user_defined > 0 ? user_defined : first_character(text).size();
      const ptrdiff_t at = std::ssize(symbols_);
      symbols_.push_back({text.substr(0, length), at - 1, at + 1, user_defined > 0});
      text.remove_prefix(length);
    }
  }

  std::vector<Segment> run() {
    for (ptrdiff_t at = 1; at < std::ssize(symbols_); ++at) offer(at - 1, at);
    while (!pairs_.empty()) {
      const Pair best = pairs_.top();
      pairs_.pop();
      Symbol &left = symbol(best.left), &right = symbol(best.right);
      if (left.text.empty() || right.text.empty() ||
          left.text.size() + right.text.size() != best.size)
        continue;  // one of them has been merged since
      left.text = {left.text.data(), left.text.size() + right.text.size()};
      left.behind = right.behind;
      right.text = {};
      if (left.behind < std::ssize(symbols_)) symbol(left.behind).before = best.left;
      offer(left.before, best.left);
      offer(best.left, left.behind);
    }
    std::vector<Segment> segments;
    for (ptrdiff_t at = 0; at < std::ssize(symbols_); at = symbol(at).behind)
      take_apart(symbol(at).text, segments);
    return segments;
  }

 private:
  Symbol& symbol(ptrdiff_t at) { return symbols_[static_cast<size_t>(at)]; }

  void offer(ptrdiff_t left, ptrdiff_t right) {
    if (left < 0 || right >= std::ssize(symbols_)) return;
    const Symbol &a = symbol(left), &b = symbol(right);
    if (a.frozen || b.frozen) return;
    const std::string_view both(a.text.data(), a.text.size() + b.text.size());
    const int32_t id = pieces_.piece(both);
    if (id == SentencePieces::kNone) return;
    pairs_.push({pieces_.score(id), left, right, both.size()});
    if (pieces_.type(id) == SentencePieces::Type::kUnused) halves_[both] = {a.text, b.text};
  }

  // Into what it was merged from, where it is unused.
  void take_apart(std::string_view text, std::vector<Segment>& segments) const {
    std::vector<std::string_view> left_over = {text};
    while (!left_over.empty()) {
      const std::string_view part = left_over.back();
      left_over.pop_back();
      const int32_t id = pieces_.token_id(part);
      const bool unused =
          id != SentencePieces::kNone && pieces_.type(id) == SentencePieces::Type::kUnused;
      const auto merged = unused ? halves_.find(part) : halves_.end();
      if (merged == halves_.end()) {
        segments.push_back({part, id});
      } else {
        left_over.push_back(merged->second.second);
        left_over.push_back(merged->second.first);
      }
    }
  }

  const SentencePieces& pieces_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Pair> pairs_;
  std::unordered_map<std::string_view, std::pair<std::string_view, std::string_view>> halves_;
};

}  // namespace

std::vector<Segment> bpe_segments(const SentencePieces& pieces, std::string_view normalized) {
  return Merger(pieces, normalized).run();
}

}  // namespace ember
