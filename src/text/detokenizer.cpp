// SPDX-License-Identifier: Apache-2.0
#include "ember/text/detokenizer.h"

#include <algorithm>
#include <utility>

#include "ember/text/utf8.h"

namespace ember {

namespace {

constexpr size_t kContextIds = 6;  // enough before a token to know how it is written
constexpr size_t kMaxWindow =
    64;  // ids that never make a whole character are given out as they are

}  // namespace

Detokenizer::Detokenizer(const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                         bool skip_special_tokens, std::vector<int32_t> shown)
    : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens), shown_(std::move(shown)) {
  if (tokenizer.byte_level()) return;
  const auto tail = prompt.last(std::min(prompt.size(), kContextIds));
  window_.assign(tail.begin(), tail.end());
  read_ = window_.size();
}

std::string Detokenizer::push(int32_t id) {
  if (id < 0 || id >= tokenizer_->vocab_size()) return {};
  if (skip_special_tokens_ && tokenizer_->is_special(id)) return push_shown(id);
  return tokenizer_->byte_level() ? push_bytes(id) : push_window(id);
}

// A special token ends what came before it; the text after it begins as after any token.
std::string Detokenizer::push_shown(int32_t id) {
  if (std::find(shown_.begin(), shown_.end(), id) == shown_.end()) return {};
  std::string text = finish() + tokenizer_->token_bytes(id);
  if (!tokenizer_->byte_level()) {
    window_.assign(1, id);
    read_ = 1;
  }
  return text;
}

std::string Detokenizer::push_bytes(int32_t id) {
  bytes_ += tokenizer_->token_bytes(id);
  std::string text;
  bytes_.erase(0, append_utf8(text, bytes_, true));
  return text;
}

std::string Detokenizer::window_text(size_t end) const {
  const auto text = tokenizer_->decode(std::span(window_).first(end), skip_special_tokens_);
  return text.ok() ? text.value() : std::string();
}

// As vLLM does: the text of the window with the new ids, less the text without them.
std::string Detokenizer::push_window(int32_t id) {
  window_.push_back(id);
  const std::string before = window_text(read_), after = window_text(window_.size());
  if (after.size() <= before.size()) return {};
  if (after.ends_with(kReplacement) && window_.size() < kMaxWindow) return {};
  std::string text = after.substr(before.size());
  window_.erase(window_.begin(), window_.begin() + static_cast<long>(read_));
  read_ = window_.size();
  return text;
}

std::string Detokenizer::finish() {
  if (tokenizer_->byte_level()) return to_valid_utf8(std::exchange(bytes_, {}));
  const std::string before = window_text(read_), after = window_text(window_.size());
  read_ = window_.size();
  return after.size() > before.size() ? after.substr(before.size()) : std::string();
}

}  // namespace ember
