// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tiktoken_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_map>

#include "byte_level.h"

namespace ember {

namespace {

constexpr int32_t kMaxRank = (1 << 22) - 1;
constexpr size_t kMaxTokenBytes = 4096;

int digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// nullopt: no Base64 with its padding, or of no bytes.
std::optional<std::string> decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const int value = i < text.size() - padding ? digit(text[i]) : 0;
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (i % 4 != 3) continue;
    for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<char>(bits >> shift & 0xFF));
    bits = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

// What two tokens become is the token of their bytes; that with the lowest rank comes first.
std::vector<TokenizerParts::Merge> merges_of(
    const std::vector<std::string>& tokens,
    const std::unordered_map<std::string_view, int32_t>& ranks) {
  std::vector<TokenizerParts::Merge> merges;
  for (const std::string_view token : tokens) {
    const size_t begin = merges.size();
    for (size_t at = 1; at < token.size(); ++at) {
      const auto left = ranks.find(token.substr(0, at)), right = ranks.find(token.substr(at));
      if (left != ranks.end() && right != ranks.end())
        merges.push_back({left->second, right->second});
    }
    std::sort(merges.begin() + static_cast<ptrdiff_t>(begin), merges.end(),
              [](const auto& a, const auto& b) {
                return std::pair(a.left, a.right) < std::pair(b.left, b.right);
              });
  }
  return merges;
}

}  // namespace

Result<TokenizerParts> parse_tiktoken(std::string_view text) {
  std::vector<std::string> tokens;
  std::vector<bool> given;
  size_t number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto refusal = [&](const std::string& what) {
      return invalid("", fmt::format("tiktoken file: line {}: {}", number, what));
    };
    const size_t space = line.find(' ');
    const std::optional<std::string> bytes = decode_base64(line.substr(0, space));
    if (!bytes || bytes->size() > kMaxTokenBytes)
      return refusal(fmt::format("expected 1 to {} bytes in Base64 first", kMaxTokenBytes));
    int32_t rank = -1;
    const std::string_view last =
        space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
    const auto read = std::from_chars(last.data(), last.data() + last.size(), rank);
    if (read.ec != std::errc{} || read.ptr != last.data() + last.size() || rank < 0 ||
        rank > kMaxRank)
      return refusal(fmt::format("expected a rank from 0 to {} behind a space", kMaxRank));
    const auto index = static_cast<size_t>(rank);
    if (index >= tokens.size()) tokens.resize(index + 1), given.resize(index + 1);
    if (given[index]) return refusal(fmt::format("rank {} is given to two tokens", rank));
    given[index] = true;
    tokens[index] = *bytes;
  }
  std::unordered_map<std::string_view, int32_t> ranks;
  TokenizerParts parts;
  for (size_t id = 0; id < tokens.size(); ++id) {
    parts.types.push_back(given[id] ? TokenizerParts::TokenType::kNormal
                                    : TokenizerParts::TokenType::kUnused);
    if (given[id] && !ranks.emplace(tokens[id], static_cast<int32_t>(id)).second)
      return invalid("", fmt::format("tiktoken file: rank {} has the bytes of rank {}", id,
                                     ranks.at(tokens[id])));
    parts.tokens.push_back(to_byte_level(tokens[id]));
  }
  for (int byte = 0; byte < 256; ++byte)
    if (const char c = static_cast<char>(byte); !ranks.contains(std::string_view(&c, 1)))
      return invalid("", fmt::format("tiktoken file: no token for the byte {:#04x}", byte));
  parts.merges = merges_of(tokens, ranks);
  parts.ignore_merges = true;
  return parts;
}

}  // namespace ember
