// SPDX-License-Identifier: Apache-2.0
// A checkpoint whose quantised modules appear as weights.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ember/model/checkpoint.h"
#include "ember/model/decoder_config.h"
#include "quantization.h"

namespace ember {

class QuantizedCheckpoint final : public Checkpoint {
 public:
  QuantizedCheckpoint(std::unique_ptr<const Checkpoint> files, Quantization quantization);

  const std::filesystem::path& path() const override { return files_->path(); }
  std::vector<std::string> names() const override;
  bool has(std::string_view name) const override;
  StoredTensor stored(std::string_view name) const override;
  void release(const StoredTensor& tensor) const override;
  size_t total_bytes() const override { return files_->total_bytes(); }
  StoredTensor tensor(std::string_view name, std::span<const int64_t> shape) const override;

 private:
  // Of a module whose weight is stored quantised; null: it is not, or the name is no weight's.
  const QuantizationScheme* stored_scheme(std::string_view weight) const;

  const std::unique_ptr<const Checkpoint> files_;
  const Quantization quantization_;
};

// Sets decoder.other_formats: as the files in `model_dir` store the matrices, or where there are
// none as config.json says. Throws StartError(kBadModel).
void find_formats(const std::filesystem::path& model_dir, const Quantization& quantization,
                  DecoderConfig& decoder);

}  // namespace ember
