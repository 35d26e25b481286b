// SPDX-License-Identifier: Apache-2.0
#include "model_source.h"

#include <fmt/format.h>

#include <filesystem>

#include "ember/base/start_error.h"
#include "ember/model/check.h"
#include "ember/model/safetensors.h"

namespace ember {

namespace {

template <class T>
T value_or_refuse(Result<T> result) {
  if (!result.ok()) throw StartError(ExitCode::kBadModel, result.error().message);
  return std::move(result).value();
}

}  // namespace

ModelSource::ModelSource(std::string path) : path_(std::move(path)) {
  if (path_.empty()) throw StartError(ExitCode::kUsage, "--model-path is missing");
  if (!std::filesystem::is_directory(path_))
    throw StartError(ExitCode::kBadModel, fmt::format("{}: is not a directory", path_));
}

std::string ModelSource::name() const {
  return std::filesystem::canonical(path_).filename().string();
}

DecoderConfig ModelSource::config() const { return load_decoder_config(path_); }

GenerationDefaults ModelSource::defaults(const DecoderConfig& config) const {
  return load_generation_defaults(path_, config);
}

std::unique_ptr<Tokenizer> ModelSource::tokenizer() const {
  return value_or_refuse(Tokenizer::load(path_));
}

std::unique_ptr<ChatTemplate> ModelSource::chat_template(const Tokenizer& tokenizer,
                                                         const std::string& file) const {
  return value_or_refuse(ChatTemplate::load(path_, tokenizer, file));
}

std::unique_ptr<Checkpoint> ModelSource::checkpoint(const DecoderConfig& config) const {
  auto checkpoint = std::make_unique<SafetensorsCheckpoint>(path_);
  check_tensors(*checkpoint, config);
  return checkpoint;
}

void ModelSource::check(bool deep) const { check_model(path_, deep); }

ModelFiles read_model_files(const ModelSource& source, const std::string& chat_template) {
  ModelFiles files;
  files.config = source.config();
  files.defaults = source.defaults(files.config);
  files.tokenizer = source.tokenizer();
  if (files.tokenizer->vocab_size() > files.config.vocab_size)
    throw StartError(
        ExitCode::kBadModel,
        fmt::format("{}/tokenizer.json: has token ids up to {}, config.json's vocab_size is {}",
                    source.path(), files.tokenizer->vocab_size() - 1, files.config.vocab_size));
  files.chat_template = source.chat_template(*files.tokenizer, chat_template);
  return files;
}

}  // namespace ember
