// SPDX-License-Identifier: Apache-2.0
// GGUF files. The header is checked before anything else of the file is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ember/base/weight_format.h"
#include "ember/model/mapped_file.h"

namespace ember {

// The numbers are the file's.
enum class GgufValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

// A value of the metadata. `bytes` is what the file holds: numbers and bools (0 or 1) one after the
// other; strings each behind its length.
struct GgufValue {
  GgufValueType type = GgufValueType::kU8;  // of the elements, where it is an array
  bool array = false;
  uint64_t count = 1;  // of elements
  std::span<const std::byte> bytes;
};

// A type of tensors. `format`: as Ember reads it; nullopt: Ember knows only its size.
struct GgufTensorType {
  uint32_t id;
  std::string_view name;
  int block_weights, block_bytes;
  std::optional<WeightFormat> format;
};

struct GgufTensor {
  const GgufTensorType* type = nullptr;
  std::vector<int64_t> shape;   // rows first: the file's order reversed
  uint64_t begin = 0, end = 0;  // bytes of the file
};

// Keys and names are views of the file.
struct GgufHeader {
  std::map<std::string_view, GgufValue> metadata;
  std::map<std::string_view, GgufTensor> tensors;
};

// Checks a whole file: every count fits what is left of it; keys and names are unique, types known;
// tensors begin at multiples of general.alignment, are disjoint and, but for padding, without holes
// up to the end. Throws std::invalid_argument saying what is wrong (with key or tensor).
// Allocates in proportion to the header only. Strings may hold any bytes.
GgufHeader parse_gguf(std::span<const std::byte> file);

// A name or value of a file for a message: quoted, escaped, shortened.
std::string shown_text(std::string_view bytes);

// Throws StartError(kBadModel) naming file and reason.
class GgufFile {
 public:
  explicit GgufFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const GgufHeader& header() const { return header_; }
  const std::byte* data(const GgufTensor& tensor) const {
    return file_.bytes().data() + tensor.begin;
  }

 private:
  MappedFile file_;
  GgufHeader header_;
};

}  // namespace ember
