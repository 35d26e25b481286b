// SPDX-License-Identifier: Apache-2.0
#include "model_source.h"

#include <fmt/format.h>

#include <filesystem>

#include "ember/base/start_error.h"
#include "ember/model/check.h"
#include "gguf_source.h"
#include "hugging_face_source.h"

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

ModelFiles read_model_files(const ModelSource& source, const std::string& chat_template) {
  ModelFiles files;
  files.config = source.config();
  files.defaults = source.defaults(files.config);
  files.tokenizer = source.tokenizer();
  if (files.tokenizer->vocab_size() > files.config.vocab_size)
    throw StartError(ExitCode::kBadModel,
                     fmt::format("{}: has token ids up to {}, the model's vocab_size is {}",
                                 source.tokenizer_file(), files.tokenizer->vocab_size() - 1,
                                 files.config.vocab_size));
  files.chat_template = source.chat_template(*files.tokenizer, chat_template);
  return files;
}

}  // namespace ember
