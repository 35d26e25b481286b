// SPDX-License-Identifier: Apache-2.0
// A model directory as the commands need it: everything but the weights.
#pragma once

#include <memory>

#include "config.h"
#include "ember/model/decoder_config.h"
#include "ember/text/chat_template.h"
#include "ember/text/tokenizer.h"

namespace ember {

struct ModelFiles {
  DecoderConfig config;
  GenerationDefaults defaults;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplate> chat_template;  // null: the model has none
};

// Throws StartError(kBadModel): one line naming the file and what is wrong with it.
ModelFiles open_model_files(const Settings& settings);
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& model_path);

}  // namespace ember
