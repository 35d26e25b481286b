// SPDX-License-Identifier: Apache-2.0
#include "ember/text/sentencepiece_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "ember/text/utf8.h"

namespace ember {

namespace {

using Type = TokenizerParts::TokenType;

constexpr size_t kMaxPieces = 1 << 22, kMaxPieceBytes = 7999;
enum ModelType { kUnigram = 1, kBpe = 2 };

struct BadFile {
  std::string what;
};

template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw BadFile{fmt::format(format, std::forward<Args>(args)...)};
}

// A protobuf message, field after field. Throws BadFile.
class Message {
 public:
  // `name` and `file`, which `bytes` lie in, are for errors.
  Message(std::string_view bytes, const char* name, std::string_view file)
      : rest_(bytes), name_(name), file_(file) {}

  // False at the end.
  bool next() {
    if (rest_.empty()) return false;
    const uint64_t key = varint();
    number_ = key >> 3;
    if (number_ == 0 || number_ > 0x1FFFFFFF) fail(fmt::format("field number {}", number_));
    wire_ = static_cast<int>(key & 7);
    if (wire_ == 0)
      value_ = varint();
    else if (wire_ == 1)
      fixed(8);
    else if (wire_ == 2)
      bytes_ = take(varint());
    else if (wire_ == 5)
      fixed(4);
    else
      fail(fmt::format("wire type {}", wire_));
    return true;
  }

  uint64_t number() const { return number_; }
  std::string_view bytes() const { return expect(2), bytes_; }
  bool boolean() const { return expect(0), value_ != 0; }
  int32_t integer() const { return expect(0), static_cast<int32_t>(value_); }
  float number32() const { return expect(5), std::bit_cast<float>(static_cast<uint32_t>(value_)); }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    refuse("byte {}: {} in {}", rest_.data() - file_.data(), what, name_);
  }
  void expect(int wire) const {
    if (wire_ != wire)
      fail(fmt::format("field {} has wire type {}, expected {}", number_, wire_, wire));
  }
  std::string_view take(uint64_t size) {
    if (size > rest_.size())
      fail(fmt::format("{} bytes are wanted where {} are left", size, rest_.size()));
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number of more than 10 bytes");
  }
  void fixed(size_t size) {
    value_ = 0;
    const std::string_view raw = take(size);
    for (size_t i = 0; i < size; ++i)
      value_ |= uint64_t{static_cast<unsigned char>(raw[i])} << (8 * i);
  }

  std::string_view rest_;
  const char* name_;
  std::string_view file_;
  uint64_t number_ = 0, value_ = 0;
  int wire_ = 0;
  std::string_view bytes_;
};

// Field numbers are those of sentencepiece_model.proto.
class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  TokenizerParts read() {
    parts_.rules.merge_spaces = parts_.rules.escape_spaces = true;
    parts_.rules.added_space = TokenizerParts::AddedSpace::kEach;
    for (Message model(file_, "the model", file_); model.next();) {
      if (model.number() == 1) read_piece(model.bytes());
      if (model.number() == 2) read_trainer(model.bytes());
      if (model.number() == 3) read_normalizer(model.bytes());
    }
    finish();
    return std::move(parts_);
  }

 private:
  void read_piece(std::string_view bytes) {
    const size_t id = parts_.tokens.size();
    if (id >= kMaxPieces) refuse("more than {} pieces", kMaxPieces);
    std::string_view text;
    float score = 0;
    int type = 1;
    for (Message piece(bytes, "a piece", file_); piece.next();) {
      if (piece.number() == 1) text = piece.bytes();
      if (piece.number() == 2) score = piece.number32();
      if (piece.number() == 3) type = piece.integer();
    }
    if (text.empty() || text.size() > kMaxPieceBytes)
      refuse("piece {} has {} bytes, must be 1 to {}", id, text.size(), kMaxPieceBytes);
    if (!is_valid_utf8(text)) refuse("piece {} is not UTF-8", id);
    if (type < 1 || type > 6) refuse("piece {} has type {}, must be 1 to 6", id, type);
    if (!std::isfinite(score)) refuse("piece {} has the score {}", id, score);
    parts_.tokens.emplace_back(text);
    parts_.scores.push_back(score);
    parts_.types.push_back(static_cast<Type>(type));
  }

  void read_trainer(std::string_view bytes) {
    for (Message trainer(bytes, "trainer_spec", file_); trainer.next();) {
      if (trainer.number() == 3) model_type_ = trainer.integer();
      if (trainer.number() == 24) parts_.rules.space_behind = trainer.boolean();
      if (trainer.number() == 35) byte_fallback_ = trainer.boolean();
      if (trainer.number() == 41) bos_ = trainer.integer();
      if (trainer.number() == 42) eos_ = trainer.integer();
    }
  }

  void read_normalizer(std::string_view bytes) {
    TokenizerParts::SentencePieceRules& rules = parts_.rules;
    for (Message normalizer(bytes, "normalizer_spec", file_); normalizer.next();) {
      if (normalizer.number() == 2) rules.charsmap = normalizer.bytes();
      if (normalizer.number() == 3)
        rules.added_space = normalizer.boolean() ? TokenizerParts::AddedSpace::kEach
                                                 : TokenizerParts::AddedSpace::kNone;
      if (normalizer.number() == 4) rules.merge_spaces = normalizer.boolean();
      if (normalizer.number() == 5) rules.escape_spaces = normalizer.boolean();
    }
  }

  void finish() {
    if (model_type_ != kUnigram && model_type_ != kBpe)
      refuse("model_type {}, expected 1 (unigram) or 2 (BPE)", model_type_);
    parts_.kind = model_type_ == kBpe ? TokenizerParts::Kind::kSentencePieceBpe
                                      : TokenizerParts::Kind::kSentencePieceUnigram;
    if (parts_.tokens.empty()) refuse("no pieces");
    const auto unknown = std::ranges::count(parts_.types, Type::kUnknown);
    if (unknown != 1) refuse("{} pieces of type 2 (unknown), expected one", unknown);
    const auto at = std::ranges::find(parts_.types, Type::kUnknown);
    parts_.unk = static_cast<int32_t>(at - parts_.types.begin());
    check_bytes();
    parts_.bos = control(bos_);
    parts_.eos = control(eos_);
  }

  void check_bytes() const {
    std::set<std::string_view> bytes;
    for (size_t id = 0; id < parts_.tokens.size(); ++id)
      if (parts_.types[id] == Type::kByte) bytes.insert(parts_.tokens[id]);
    const size_t expected = byte_fallback_ ? 256 : 0;
    if (bytes.size() != expected)
      refuse("{} pieces of type 6 (byte) where byte_fallback is {}, expected {}", bytes.size(),
             byte_fallback_, expected);
  }

  std::optional<int32_t> control(int32_t id) const {
    const bool there = id >= 0 && static_cast<size_t>(id) < parts_.types.size() &&
                       parts_.types[static_cast<size_t>(id)] == Type::kControl;
    return there ? std::optional(id) : std::nullopt;
  }

  const std::string_view file_;
  TokenizerParts parts_;
  int32_t model_type_ = kUnigram, bos_ = 1, eos_ = 2;
  bool byte_fallback_ = false;
};

}  // namespace

Result<TokenizerParts> parse_sentencepiece(std::string_view bytes) {
  try {
    return Reader(bytes).read();
  } catch (const BadFile& bad) {
    return invalid("", "SentencePiece model: " + bad.what);
  }
}

}  // namespace ember
