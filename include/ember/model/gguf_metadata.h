// SPDX-License-Identifier: Apache-2.0
// The metadata of a GGUF file, read with types: every fault is a StartError(kBadModel) that names
// file and key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ember/model/gguf_file.h"

namespace ember {

// Views of a GgufFile, which must outlive it.
class GgufMetadata {
 public:
  explicit GgufMetadata(const GgufFile& file);

  const std::filesystem::path& file() const { return file_; }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const GgufValue* find(std::string_view key) const;

  // Of any integer type. An array of equal numbers counts as that number, because some files give
  // one number per layer; also for number().
  int64_t integer(std::string_view key, int64_t low, int64_t high,
                  std::optional<int64_t> default_value = std::nullopt) const;
  double number(std::string_view key, double low, double high,
                std::optional<double> default_value = std::nullopt) const;
  bool boolean(std::string_view key, bool default_value) const;
  // The bytes are not checked to be UTF-8: a caller that needs text checks them.
  std::string_view text(std::string_view key, std::string_view default_value) const;

  // Arrays; empty: absent.
  std::vector<std::string_view> texts(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;  // of any numbers
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<bool> booleans(std::string_view key) const;

  [[noreturn]] void refuse(std::string_view key, std::string_view expected) const;

 private:
  std::filesystem::path file_;
  const GgufHeader& header_;
};

}  // namespace ember
