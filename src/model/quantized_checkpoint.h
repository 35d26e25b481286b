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

// Sets what the weights of `model_dir` say: text_part, where it is not kAll, and other_formats.
// Where files are missing, formats are those that config.json speaks of. Throws
// StartError(kBadModel).
void look_at_weights(const std::filesystem::path& model_dir, DecoderConfig& decoder);

}  // namespace ember
