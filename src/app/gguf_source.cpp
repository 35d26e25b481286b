// SPDX-License-Identifier: Apache-2.0
#include "gguf_source.h"

#include <fmt/format.h>

#include "ember/base/files.h"
#include "ember/model/check.h"
#include "ember/model/gguf_config.h"
#include "gguf_tokenizer.h"
#include "value_or_refuse.h"

namespace ember {

GgufSource::GgufSource(std::string path, const std::filesystem::path& file)
    : ModelSource(std::move(path)), checkpoint_(file) {}

// The directory's name, or the file's without its ending.
std::string GgufSource::name() const {
  const std::filesystem::path where = resolved_path(path());
  if (path_is_directory(where)) return where.filename().string();
  std::string stem = where.stem().string();
  const std::string_view part = "-00001-of-00001";
  if (stem.size() > part.size() && checkpoint_.metadata().integer("split.count", 0, 9999, 1) > 1)
    stem.resize(stem.size() - part.size());
  return stem;
}

DecoderConfig GgufSource::config() const { return gguf_decoder_config(checkpoint_); }

GenerationDefaults GgufSource::defaults(const DecoderConfig& config) const {
  return gguf_generation_defaults(checkpoint_.metadata(), config);
}

std::unique_ptr<Tokenizer> GgufSource::tokenizer(int32_t vocab_size) const {
  return gguf_tokenizer(checkpoint_.metadata(), vocab_size);
}

std::unique_ptr<ChatTemplate> GgufSource::chat_template(const Tokenizer& tokenizer,
                                                        const std::string& file) const {
  if (file.empty()) return gguf_chat_template(checkpoint_.metadata(), tokenizer);
  return value_or_refuse(ChatTemplate::load({}, tokenizer, file));
}

// A checkpoint of its own, so that the weights' pages are unmapped with it.
std::unique_ptr<Checkpoint> GgufSource::checkpoint(const DecoderConfig& config) const {
  auto checkpoint = std::make_unique<GgufCheckpoint>(checkpoint_.path());
  check_tensors(*checkpoint, config);
  return checkpoint;
}

}  // namespace ember
