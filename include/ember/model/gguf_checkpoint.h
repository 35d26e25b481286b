// SPDX-License-Identifier: Apache-2.0
// The weights of a GGUF file, or of a set of files that one model was split into.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ember/model/checkpoint.h"
#include "ember/model/gguf_file.h"
#include "ember/model/gguf_metadata.h"

namespace ember {

class GgufCheckpoint final : public Checkpoint {
 public:
  // `file` is the only one, or the first of a set ("...-00001-of-0000N.gguf"), whose others are
  // found by their names. Opens and checks every file; reads no weight. Throws
  // StartError(kBadModel).
  explicit GgufCheckpoint(const std::filesystem::path& file);

  const std::filesystem::path& path() const override { return path_; }
  std::vector<std::string> names() const override;
  bool has(std::string_view name) const override { return where_.contains(name); }
  // The data is a view into the file's mapping.
  StoredTensor stored(std::string_view name) const override;
  void release(const StoredTensor& tensor) const override;
  size_t total_bytes() const override;
  std::string supported_types() const override;

  // Of the first file.
  const GgufMetadata& metadata() const { return metadata_; }

 private:
  struct Place {
    const GgufFile* file;
    const GgufTensor* tensor;
  };
  void open_others();

  const std::filesystem::path path_;
  std::vector<std::unique_ptr<const GgufFile>> files_;
  const GgufMetadata metadata_;
  std::map<std::string_view, Place> where_;
};

// The GGUF file that a path stands for: a ".gguf" file, or in a directory the only one, or the
// first of the only split set. Empty: neither. Throws StartError(kBadModel) for a directory with
// several.
std::filesystem::path find_gguf(const std::filesystem::path& path);

}  // namespace ember
