// SPDX-License-Identifier: Apache-2.0
// A model that is served: everything that a request to it needs.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ember/engine/generator.h"
#include "ember/engine/model_info.h"
#include "ember/engine/replica_set.h"
#include "ember/server/metrics.h"
#include "ember/text/chat_template.h"
#include "ember/text/grammar.h"
#include "ember/text/tokenizer.h"

namespace ember {

// Complete once it is shared, and then unchanged: its members may be used from any thread. Whoever
// uses it or what belongs to it keeps a ModelRef: a model that is not served any more lives on
// until the last of its answers is done.
struct ServedModel {
  ModelInfo info;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;  // null: the model has none
  const ToolDialect* tool_dialect = nullptr;          // null: tools are refused
  std::optional<ReasoningStyle> reasoning_style;      // nullopt: reasoning stays in the content
  std::shared_ptr<GrammarCompiler> grammars;
  std::shared_ptr<ModelMetrics> metrics;
  std::vector<std::shared_ptr<const EngineMetrics>> engine_metrics;  // of each engine
  std::shared_ptr<Generator> generator;
  std::shared_ptr<ReplicaSet> replicas;  // the same as `generator`; null: that is one engine
};

// Of all its engines together: sums, and the mean of kv_cache_usage.
EngineLoad load_of(const ServedModel& model);

using ModelRef = std::shared_ptr<const ServedModel>;

// Its generator, which keeps the whole model as long as it is kept itself.
inline std::shared_ptr<Generator> generator_of(const ModelRef& model) {
  return {model, model->generator.get()};
}

}  // namespace ember
