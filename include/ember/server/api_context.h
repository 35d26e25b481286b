// SPDX-License-Identifier: Apache-2.0
// What the routes need to know and to reach.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ember/engine/admission.h"
#include "ember/engine/generator.h"
#include "ember/engine/model_info.h"
#include "ember/server/hub.h"
#include "ember/server/key_ring.h"
#include "ember/server/metrics.h"
#include "ember/server/param_limits.h"
#include "ember/server/request_log.h"
#include "ember/text/chat_template.h"
#include "ember/text/grammar.h"
#include "ember/text/tokenizer.h"

namespace ember {

enum class ServerState : uint8_t { kLoading, kReady, kDraining, kFailed };

// What serving a model takes; complete before the state becomes kReady, and then unchanged.
struct ServedModel {
  ModelInfo info;
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat_template = nullptr;    // null: the model has none
  const ToolDialect* tool_dialect = nullptr;      // null: tools are refused
  std::optional<ReasoningStyle> reasoning_style;  // nullopt: reasoning stays in the content
  GrammarCompiler* grammars = nullptr;
  std::shared_ptr<ModelMetrics> metrics;
  std::shared_ptr<const EngineMetrics> engine_metrics;
  std::shared_ptr<Generator> generator;
  Admission* admission = nullptr;
};

// Used by all HTTP threads. Set up before the listeners start, except for `model` and `state`.
struct ApiContext {
  std::string version;
  TimePoint begun = Clock::now();  // of this process
  int64_t started = 0;             // seconds since 1970
  KeyRing keys;                    // none: everybody may ask
  ParamLimits limits;
  Duration queue_timeout = std::chrono::seconds(60);
  Duration request_timeout = std::chrono::seconds(600);
  ResponseHub* hub = nullptr;
  Metrics* metrics = nullptr;
  RequestLog requests;
  std::function<Result<void>()>
      reload_keys;  // reads the key file again; a fault of it changes nothing

  ServedModel model;  // read only when the state is not kLoading
  std::atomic<ServerState> state{ServerState::kLoading};
  std::atomic<RequestId> next_request{1};
};

}  // namespace ember
