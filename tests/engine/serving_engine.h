// SPDX-License-Identifier: Apache-2.0
// An engine that serves on a thread of its own from its construction to its end.
#pragma once

#include <memory>
#include <utility>

#include "ember/engine/engine_thread.h"

namespace ember {

class ServingEngine {
 public:
  // The runner need not care which thread made it.
  ServingEngine(const SchedulerConfig& config, const BlockPoolConfig& cache,
                std::unique_ptr<StepRunner> runner, OutputSink& sink)
      : thread_([&](const LoadProgress&) {
          return std::make_unique<Engine>(config, cache, std::move(runner), sink);
        }),
        engine_(thread_.engine()) {}

  const std::shared_ptr<Engine>& shared() const { return engine_; }
  Engine* operator->() const { return engine_.get(); }
  void stop() { thread_.stop(); }

 private:
  EngineThread thread_;
  std::shared_ptr<Engine> engine_;
};

}  // namespace ember
