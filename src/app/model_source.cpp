// SPDX-License-Identifier: Apache-2.0
#include "model_source.h"

#include <fmt/format.h>

#include <filesystem>

#include "ember/base/files.h"
#include "ember/base/start_error.h"
#include "ember/model/check.h"
#include "ember/model/gguf_file.h"
#include "gguf_source.h"
#include "gguf_tokenizer.h"
#include "hugging_face_source.h"
#include "value_or_refuse.h"

namespace ember {

namespace {

// The GGUF file that holds the tokenizer in `path`; empty: another file does.
std::filesystem::path gguf_of(const std::string& path) {
  return path_exists(Tokenizer::file_of(path)) ? std::filesystem::path() : find_gguf(path);
}

// The chat template that comes with the tokenizer in `path`, or null.
std::unique_ptr<ChatTemplate> template_beside(const std::filesystem::path& path,
                                              const Tokenizer& tokenizer) {
  if (const std::filesystem::path file = gguf_of(path); !file.empty())
    return gguf_chat_template(GgufMetadata(GgufFile(file)), tokenizer);
  return value_or_refuse(
      ChatTemplate::load(path_is_directory(path) ? path : path.parent_path(), tokenizer, {}));
}

}  // namespace

void ModelSource::check(bool deep) const {
  const DecoderConfig of_model = config();
  defaults(of_model);
  const std::unique_ptr<Checkpoint> weights = checkpoint(of_model);
  if (deep) check_finite(*weights);
}

std::unique_ptr<const ModelSource> open_model(const std::string& path) {
  if (path.empty()) throw StartError(ExitCode::kUsage, "--model-path is missing");
  if (!path_exists(std::filesystem::path(path) / "config.json"))
    if (const std::filesystem::path file = find_gguf(path); !file.empty())
      return std::make_unique<GgufSource>(path, file);
  return std::make_unique<HuggingFaceSource>(path);
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& path, int32_t vocab_size) {
  if (const std::filesystem::path file = gguf_of(path); !file.empty())
    return gguf_tokenizer(GgufMetadata(GgufFile(file)), vocab_size);
  return value_or_refuse(Tokenizer::load(path, vocab_size));
}

std::unique_ptr<Tokenizer> read_tokenizer(const ModelSource& source, const ModelSettings& settings,
                                          int32_t vocab_size) {
  const std::string& other = settings.tokenizer;
  std::unique_ptr<Tokenizer> tokenizer =
      other.empty() ? source.tokenizer(vocab_size) : open_tokenizer(other, vocab_size);
  if (tokenizer->vocab_size() > vocab_size)
    throw StartError(ExitCode::kBadModel,
                     fmt::format("{}: has token ids up to {}, the model's vocab_size is {}",
                                 other.empty() ? source.tokenizer_file() : other,
                                 tokenizer->vocab_size() - 1, vocab_size));
  return tokenizer;
}

DecoderConfig config_of(const ModelSource& source, const ModelSettings& settings) {
  return settings.load_format == "dummy" ? source.config_alone() : source.config();
}

ModelFiles read_model_files(const ModelSource& source, const ModelSettings& settings) {
  const std::string &chat_template = settings.chat_template, &tokenizer = settings.tokenizer;
  ModelFiles files;
  files.config = config_of(source, settings);
  files.defaults = source.defaults(files.config);
  files.tokenizer = read_tokenizer(source, settings, files.config.vocab_size);
  if (chat_template.empty() && !tokenizer.empty())
    files.chat_template = template_beside(tokenizer, *files.tokenizer);
  if (files.chat_template == nullptr)
    files.chat_template = source.chat_template(*files.tokenizer, chat_template);
  return files;
}

}  // namespace ember
