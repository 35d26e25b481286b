// SPDX-License-Identifier: Apache-2.0
// The demo model as the API serves it, without an engine.
#pragma once

#include <filesystem>
#include <memory>

#include "ember/server/served_model.h"
#include "server/api/answers.h"

namespace ember {

inline ServedModel demo_model() {
  static const std::shared_ptr<const ChatTemplate> chat_template =
      ChatTemplate::load(std::filesystem::path(EMBER_SOURCE_DIR) / "configs/demo-model",
                         demo_tokenizer(), {})
          .value();
  static const std::shared_ptr<GrammarCompiler> grammars =
      GrammarCompiler::create(demo_tokenizer(), {6137, 6140}).value();
  ServedModel model;
  model.info.names = {"demo"};
  model.info.max_model_len = 300;
  model.info.vocab_size = demo_tokenizer().vocab_size();
  model.info.eos_token_ids = {6137, 6140};
  model.tokenizer =
      std::shared_ptr<const Tokenizer>(std::shared_ptr<void>(), &demo_tokenizer());  // it lives on
  model.chat_template = chat_template;
  model.tool_dialect = chat_template->tool_dialect();
  model.grammars = grammars;
  return model;
}

}  // namespace ember
