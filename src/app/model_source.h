// SPDX-License-Identifier: Apache-2.0
// Where a model comes from. Whatever reads a model goes through here, so that another way of
// storing one is an addition to this class.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ember/model/checkpoint.h"
#include "ember/model/decoder_config.h"
#include "ember/text/chat_template.h"
#include "ember/text/tokenizer.h"

namespace ember {

// A directory in Hugging Face's layout: config.json, tokenizer.json, safetensors. Reads nothing
// before it is asked to. Every function throws StartError(kBadModel), one line that names the file
// and what is wrong with it.
class ModelSource {
 public:
  // Throws StartError: kUsage for an empty path, kBadModel for one that is no directory.
  explicit ModelSource(std::string path);

  const std::string& path() const { return path_; }
  // The last part of the path: what the model is called where nothing else is said.
  std::string name() const;

  DecoderConfig config() const;
  GenerationDefaults defaults(const DecoderConfig& config) const;
  std::unique_ptr<Tokenizer> tokenizer() const;
  // The template in `file`; empty: the model's own. Null: the model has none.
  std::unique_ptr<ChatTemplate> chat_template(const Tokenizer& tokenizer,
                                              const std::string& file) const;
  // The weights, of which every one that the config asks for is there.
  std::unique_ptr<Checkpoint> checkpoint(const DecoderConfig& config) const;
  // Reads everything that serving reads; with `deep` also that all weights are finite.
  void check(bool deep) const;

 private:
  std::string path_;
};

// A model but for its weights.
struct ModelFiles {
  DecoderConfig config;
  GenerationDefaults defaults;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplate> chat_template;  // null: the model has none
};

// chat_template: as ModelSource::chat_template. Refuses a tokenizer with more tokens than the
// config says.
ModelFiles read_model_files(const ModelSource& source, const std::string& chat_template);

}  // namespace ember
