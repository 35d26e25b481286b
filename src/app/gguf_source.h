// SPDX-License-Identifier: Apache-2.0
// A model in a GGUF file, or in a split set of them.
#pragma once

#include "ember/model/gguf_checkpoint.h"
#include "model_source.h"

namespace ember {

class GgufSource final : public ModelSource {
 public:
  // `file` is what `path` stands for, see find_gguf(). Reads the headers.
  GgufSource(std::string path, const std::filesystem::path& file);

  std::string name() const override;
  std::string tokenizer_file() const override { return checkpoint_.path().string(); }
  DecoderConfig config() const override;
  GenerationDefaults defaults(const DecoderConfig& config) const override;
  std::unique_ptr<Tokenizer> tokenizer(int32_t vocab_size) const override;
  std::unique_ptr<ChatTemplate> chat_template(const Tokenizer& tokenizer,
                                              const std::string& file) const override;
  std::unique_ptr<Checkpoint> checkpoint(const DecoderConfig& config) const override;

 private:
  const GgufCheckpoint checkpoint_;
};

}  // namespace ember
