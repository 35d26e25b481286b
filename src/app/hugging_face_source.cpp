// SPDX-License-Identifier: Apache-2.0
#include "hugging_face_source.h"

#include <fmt/format.h>

#include "ember/base/files.h"
#include "ember/model/check.h"
#include "ember/model/quantized_checkpoint.h"
#include "value_or_refuse.h"

namespace ember {

HuggingFaceSource::HuggingFaceSource(const std::string& path) : ModelSource(path) {
  if (!path_is_directory(path))
    throw StartError(ExitCode::kBadModel, fmt::format("{}: is not a directory", path));
}

std::string HuggingFaceSource::name() const { return resolved_path(path()).filename().string(); }

DecoderConfig HuggingFaceSource::config() const { return load_decoder_config(path()); }

DecoderConfig HuggingFaceSource::config_alone() const { return parse_decoder_config(path()); }

GenerationDefaults HuggingFaceSource::defaults(const DecoderConfig& config) const {
  return load_generation_defaults(path(), config);
}

std::unique_ptr<Tokenizer> HuggingFaceSource::tokenizer(int32_t vocab_size) const {
  return value_or_refuse(Tokenizer::load(path(), vocab_size));
}

std::unique_ptr<ChatTemplate> HuggingFaceSource::chat_template(const Tokenizer& tokenizer,
                                                               const std::string& file) const {
  return value_or_refuse(ChatTemplate::load(path(), tokenizer, file));
}

std::unique_ptr<Checkpoint> HuggingFaceSource::checkpoint(const DecoderConfig& config) const {
  std::unique_ptr<Checkpoint> checkpoint = open_weights(path());
  check_tensors(*checkpoint, config);
  return checkpoint;
}

}  // namespace ember
