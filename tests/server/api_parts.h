// SPDX-License-Identifier: Apache-2.0
// The parts of a server without a process, and models without weights.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ember/engine/admission.h"
#include "ember/server/api_context.h"
#include "ember/server/generation_services.h"
#include "ember/server/hub.h"
#include "ember/server/key_ring.h"
#include "ember/server/metrics.h"
#include "ember/server/model_registry.h"
#include "ember/server/request_log.h"
#include "ember/server/server_status.h"

namespace ember {

// Never answers.
class SilentGenerator final : public Generator {
 public:
  void submit(RequestRef) override {}
  void cancel(RequestId) override {}
  std::future<std::vector<SequenceTrace>> traces() override {
    std::promise<std::vector<SequenceTrace>> none;
    none.set_value({});
    return none.get_future();
  }
  bool failed() const override { return false; }
  TimePoint last_progress() const override { return Clock::now(); }
};

// Everything is there before a model is: hub and log are idle, the queue has no room.
struct ApiParts {
  ServerStatus status;
  KeyRing keys;
  ModelRegistry models;
  Admission admission;
  RequestLog requests;
  ResponseHub hub{{}, [](std::unique_ptr<Connection>) {}};
  Metrics metrics{"1"};
  GenerationServices generation{
      .models = models, .admission = admission, .hub = hub, .requests = requests};
  ApiContext context{.status = status,
                     .keys = keys,
                     .models = models,
                     .generation = generation,
                     .hub = hub,
                     .requests = requests,
                     .metrics = metrics,
                     .reload_keys = {}};

  // Without tokenizer; its engine, if none is given, never answers.
  std::shared_ptr<ServedModel> model(std::vector<std::string> names,
                                     std::shared_ptr<Generator> generator = {}) {
    auto made = std::make_shared<ServedModel>();
    made->metrics = std::make_shared<ModelMetrics>(metrics, names.front());
    made->engine_metrics = {std::make_shared<EngineMetrics>(metrics, names.front(), 0, hub)};
    made->info.names = std::move(names);
    made->generator = generator ? std::move(generator) : std::make_shared<SilentGenerator>();
    return made;
  }
};

}  // namespace ember
