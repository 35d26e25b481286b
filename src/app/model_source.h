// SPDX-License-Identifier: Apache-2.0
// Where a model comes from. Whatever reads a model goes through here, so that another way of
// storing one is another ModelSource.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ember/model/checkpoint.h"
#include "ember/model/decoder_config.h"
#include "ember/text/chat_template.h"
#include "ember/text/tokenizer.h"
#include "settings.h"

namespace ember {

// Every function throws StartError(kBadModel), one line that names the file and what is wrong with
// it.
class ModelSource {
 public:
  virtual ~ModelSource() = default;

  // As it was opened.
  const std::string& path() const { return path_; }
  // The name of the model by default.
  virtual std::string name() const = 0;
  // The file that holds the tokenizer, for messages.
  virtual std::string tokenizer_file() const = 0;

  // Looks at the headers of the weights, where there are any.
  virtual DecoderConfig config() const = 0;
  // For random weights, and for who needs none: files of weights are not opened where the model has
  // a config apart from them.
  virtual DecoderConfig config_alone() const { return config(); }
  virtual GenerationDefaults defaults(const DecoderConfig& config) const = 0;
  // vocab_size: the config's, as Tokenizer::load has it.
  virtual std::unique_ptr<Tokenizer> tokenizer(int32_t vocab_size) const = 0;
  // The template in `file`; empty: the model's own. Null: the model has none.
  virtual std::unique_ptr<ChatTemplate> chat_template(const Tokenizer& tokenizer,
                                                      const std::string& file) const = 0;
  // The weights, of which every one that the config asks for is there.
  virtual std::unique_ptr<Checkpoint> checkpoint(const DecoderConfig& config) const = 0;

  // Reads everything that serving reads; with `deep` also that all weights are finite.
  void check(bool deep) const;

 protected:
  explicit ModelSource(std::string path) : path_(std::move(path)) {}

 private:
  std::string path_;
};

// A directory in Hugging Face's layout (config.json, tokenizer.json, safetensors), of which nothing
// is read before it is asked for; or a GGUF file, or a directory that holds one or a split set and
// no config.json, whose header is read at once. Throws StartError: kUsage for an empty path,
// kBadModel for one that is none of these.
std::unique_ptr<const ModelSource> open_model(const std::string& path);

// A model without its weights.
struct ModelFiles {
  DecoderConfig config;
  GenerationDefaults defaults;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplate> chat_template;  // null: the model has none
};

// The tokenizer in `path`: a directory, one of the files that Tokenizer::load takes, or a GGUF
// file. vocab_size: as Tokenizer::load has it. Throws StartError(kBadModel).
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& path, int32_t vocab_size);

// The tokenizer of the settings (as open_tokenizer; empty: the model's own). Refuses one with more
// tokens than vocab_size, added ones aside. Throws StartError(kBadModel).
std::unique_ptr<Tokenizer> read_tokenizer(const ModelSource& source, const ModelSettings& settings,
                                          int32_t vocab_size);

// The config that the weights of the settings' load_format have.
DecoderConfig config_of(const ModelSource& source, const ModelSettings& settings);

// Of the settings it reads load_format, chat_template (as ModelSource::chat_template) and tokenizer
// (as read_tokenizer). The template that comes with another tokenizer goes before the model's, as
// its end of an answer does.
ModelFiles read_model_files(const ModelSource& source, const ModelSettings& settings = {});

}  // namespace ember
