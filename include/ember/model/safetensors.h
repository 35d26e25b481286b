// SPDX-License-Identifier: Apache-2.0
// Safetensors files. The header is checked before anything else of the file is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ember/model/checkpoint.h"
#include "ember/model/mapped_file.h"

namespace ember {

// Where a tensor's bytes are, relative to the end of the header.
struct TensorEntry {
  std::string dtype;            // as the file spells it, e.g. "BF16"
  std::vector<int64_t> shape;   // at most 8 dimensions
  uint64_t begin = 0, end = 0;  // bytes
};

using TensorEntries = std::map<std::string, TensorEntry, std::less<>>;

// Checks the header (JSON text) of a file with `data_bytes` bytes behind it: names unique, types
// known, shapes times type equal the byte ranges, ranges disjoint and without holes up to the end.
// Throws std::invalid_argument saying what is wrong (with the tensor's name). Allocates in
// proportion to the header only. At most 100,000 tensors.
TensorEntries parse_safetensors_header(std::string_view header, uint64_t data_bytes);

// Throws StartError(kBadModel) naming file, tensor and reason.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const TensorEntries& entries() const { return entries_; }
  const void* data(const TensorEntry& entry) const { return data_ + entry.begin; }

 private:
  MappedFile file_;
  const std::byte* data_ = nullptr;
  TensorEntries entries_;
};

// All weights of a model directory: model.safetensors, or the shards that
// model.safetensors.index.json names.
class SafetensorsCheckpoint final : public Checkpoint {
 public:
  // Whether every file of the weights is there; nothing is said of what is in them. Throws
  // StartError(kBadModel) where the index is broken.
  static bool complete(const std::filesystem::path& model_dir);

  // Opens and checks every file; reads no weight. Throws StartError(kBadModel).
  explicit SafetensorsCheckpoint(const std::filesystem::path& model_dir);

  const std::filesystem::path& path() const override { return dir_; }
  std::vector<std::string> names() const override;
  bool has(std::string_view name) const override { return where_.contains(name); }
  // The data is a view into the file's mapping.
  StoredTensor stored(std::string_view name) const override;
  void release(const StoredTensor& tensor) const override;
  size_t total_bytes() const override;

 private:
  struct Place {
    size_t file;
    const TensorEntry* entry;
  };
  std::filesystem::path dir_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, Place, std::less<>> where_;
};

}  // namespace ember
