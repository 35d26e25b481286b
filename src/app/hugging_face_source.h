// SPDX-License-Identifier: Apache-2.0
// A model directory in Hugging Face's layout.
#pragma once

#include "model_source.h"

namespace ember {

class HuggingFaceSource final : public ModelSource {
 public:
  // Throws StartError(kBadModel) where `path` is no directory.
  explicit HuggingFaceSource(const std::string& path);

  std::string name() const override;
  std::string tokenizer_file() const override { return Tokenizer::file_of(path()).string(); }
  DecoderConfig config() const override;
  DecoderConfig config_alone() const override;
  GenerationDefaults defaults(const DecoderConfig& config) const override;
  std::unique_ptr<Tokenizer> tokenizer(int32_t vocab_size) const override;
  std::unique_ptr<ChatTemplate> chat_template(const Tokenizer& tokenizer,
                                              const std::string& file) const override;
  std::unique_ptr<Checkpoint> checkpoint(const DecoderConfig& config) const override;
};

}  // namespace ember
