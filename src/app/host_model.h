// SPDX-License-Identifier: Apache-2.0
// A model as the host serves it: everything but the weights and the device.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ember/engine/admission.h"
#include "ember/engine/engine.h"
#include "ember/server/api_context.h"
#include "ember/text/grammar.h"
#include "model_source.h"
#include "settings.h"

namespace ember {

// The names that clients may call the model by, the first one in answers: --served-model-name, else
// the name of its source.
std::vector<std::string> served_names(const ModelSettings& settings, const ModelSource& source);

// Owns what a ServedModel points to. Main's thread.
class HostModel {
 public:
  // Reads `source`. max_num_queued_tokens: see LimitSettings. Throws StartError(kBadModel).
  HostModel(const ModelSource& source, const EngineSettings& settings,
            int64_t max_num_queued_tokens);

  const ModelFiles& files() const { return files_; }
  // What the API serves with `engine`. Valid as long as this is. Throws StartError(kBadModel) for a
  // tokenizer that grammars cannot be made for.
  ServedModel serve_with(std::shared_ptr<Engine> engine, std::shared_ptr<ModelMetrics> metrics,
                         std::shared_ptr<const EngineMetrics> engine_metrics);

 private:
  ModelInfo info(int max_model_len) const;
  void choose_dialects(ServedModel& model) const;

  const ModelSource source_;
  const EngineSettings settings_;
  const int64_t max_num_queued_tokens_;
  ModelFiles files_;
  std::unique_ptr<GrammarCompiler> grammars_;
  std::unique_ptr<Admission> admission_;
};

}  // namespace ember
