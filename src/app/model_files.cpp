// SPDX-License-Identifier: Apache-2.0
#include "model_files.h"

#include <fmt/format.h>

#include <filesystem>

namespace ember {

namespace {

template <class T>
T value_or_refuse(Result<T> result) {
  if (!result.ok()) throw StartError(ExitCode::kBadModel, result.error().message);
  return std::move(result).value();
}

}  // namespace

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& model_path) {
  if (model_path.empty()) throw StartError(ExitCode::kUsage, "--model-path is missing");
  if (!std::filesystem::is_directory(model_path))
    throw StartError(ExitCode::kBadModel, fmt::format("{}: is not a directory", model_path));
  return value_or_refuse(Tokenizer::load(model_path));
}

ModelFiles open_model_files(const Settings& settings) {
  ModelFiles files;
  if (!std::filesystem::is_directory(settings.model_path))
    throw StartError(ExitCode::kBadModel,
                     fmt::format("{}: is not a directory", settings.model_path));
  files.config = load_decoder_config(settings.model_path);
  files.defaults = load_generation_defaults(settings.model_path, files.config);
  files.tokenizer = open_tokenizer(settings.model_path);
  if (files.tokenizer->vocab_size() > files.config.vocab_size)
    throw StartError(
        ExitCode::kBadModel,
        fmt::format("{}/tokenizer.json: has token ids up to {}, config.json's vocab_size is {}",
                    settings.model_path, files.tokenizer->vocab_size() - 1,
                    files.config.vocab_size));
  files.chat_template = value_or_refuse(
      ChatTemplate::load(settings.model_path, *files.tokenizer, settings.chat_template));
  return files;
}

}  // namespace ember
