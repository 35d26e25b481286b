// SPDX-License-Identifier: Apache-2.0
// The demo model as the API serves it, without an engine.
#pragma once

#include <filesystem>
#include <memory>

#include "ember/server/api_context.h"
#include "server/api/answers.h"

namespace ember {

inline ServedModel demo_model() {
  static const std::unique_ptr<ChatTemplate> chat_template =
      ChatTemplate::load(std::filesystem::path(EMBER_SOURCE_DIR) / "configs/demo-model",
                         demo_tokenizer(), {})
          .value();
  static const std::unique_ptr<GrammarCompiler> grammars =
      GrammarCompiler::create(demo_tokenizer(), {6137, 6140}).value();
  ServedModel model;
  model.info.names = {"demo"};
  model.info.max_model_len = 300;
  model.info.vocab_size = demo_tokenizer().vocab_size();
  model.info.eos_token_ids = {6137, 6140};
  model.tokenizer = &demo_tokenizer();
  model.chat_template = chat_template.get();
  model.tool_dialect = chat_template->tool_dialect();
  model.grammars = grammars.get();
  return model;
}

}  // namespace ember
