// SPDX-License-Identifier: Apache-2.0
#include "model_source.h"

#include <fmt/format.h>

#include <filesystem>

#include "ember/base/start_error.h"
#include "ember/model/check.h"
#include "ember/model/gguf_file.h"
#include "gguf_source.h"
#include "gguf_tokenizer.h"
#include "hugging_face_source.h"
#include "value_or_refuse.h"

namespace ember {

void ModelSource::check(bool deep) const {
  const DecoderConfig of_model = config();
  defaults(of_model);
  const std::unique_ptr<Checkpoint> weights = checkpoint(of_model);
  if (deep) check_finite(*weights);
}

std::unique_ptr<const ModelSource> open_model(const std::string& path) {
  if (path.empty()) throw StartError(ExitCode::kUsage, "--model-path is missing");
  if (!std::filesystem::exists(std::filesystem::path(path) / "config.json"))
    if (const std::filesystem::path file = find_gguf(path); !file.empty())
      return std::make_unique<GgufSource>(path, file);
  return std::make_unique<HuggingFaceSource>(path);
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& path) {
  if (!std::filesystem::exists(Tokenizer::file_of(path)))
    if (const std::filesystem::path file = find_gguf(path); !file.empty()) {
      const GgufFile gguf(file);
      return gguf_tokenizer(GgufMetadata(gguf));
    }
  return value_or_refuse(Tokenizer::load(path));
}

ModelFiles read_model_files(const ModelSource& source, const std::string& chat_template,
                            const std::string& tokenizer) {
  ModelFiles files;
  files.config = source.config();
  files.defaults = source.defaults(files.config);
  files.tokenizer = tokenizer.empty() ? source.tokenizer() : open_tokenizer(tokenizer);
  if (files.tokenizer->vocab_size() > files.config.vocab_size)
    throw StartError(ExitCode::kBadModel,
                     fmt::format("{}: has token ids up to {}, the model's vocab_size is {}",
                                 tokenizer.empty() ? source.tokenizer_file() : tokenizer,
                                 files.tokenizer->vocab_size() - 1, files.config.vocab_size));
  files.chat_template = source.chat_template(*files.tokenizer, chat_template);
  if (files.chat_template == nullptr && std::filesystem::is_directory(tokenizer))
    files.chat_template = value_or_refuse(ChatTemplate::load(tokenizer, *files.tokenizer, {}));
  return files;
}

}  // namespace ember
