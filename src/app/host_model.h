// SPDX-License-Identifier: Apache-2.0
// A model that is served: its files, and the engine that runs it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ember/engine/admission.h"
#include "ember/engine/generator.h"
#include "ember/server/served_model.h"
#include "model_source.h"
#include "settings.h"

namespace ember {

// The names that clients may call the model by, the first one in answers: --served-model-name, else
// the name of its source.
std::vector<std::string> served_names(const ModelSettings& settings, const ModelSource& source);

// What runs a model, and its metrics.
struct ModelEngine {
  std::shared_ptr<Generator> generator;
  std::shared_ptr<ReplicaSet> replicas;  // see ServedModel
  int max_model_len = 0;                 // of one sequence, prompt and answer, in tokens
  std::shared_ptr<ModelMetrics> metrics;
  std::vector<std::shared_ptr<EngineMetrics>> engine_metrics;  // of each engine
};

// What the API serves. `files` are those of `source`. Throws StartError(kBadModel) for a tokenizer
// that grammars cannot be made for.
ModelRef host_model(const ModelSource& source, const EngineSettings& settings, ModelFiles files,
                    ModelEngine engine);

// Adds the capacity of one model: the sequences that run and wait, and their prompt tokens.
// max_num_queued_tokens: see LimitSettings.
void add_room(Admission& admission, const SchedulerSettings& settings,
              int64_t max_num_queued_tokens, int max_model_len);

}  // namespace ember
