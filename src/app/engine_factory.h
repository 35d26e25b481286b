// SPDX-License-Identifier: Apache-2.0
// From settings and a model directory to an engine: device, memory plan, weights, runner.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "config.h"
#include "ember/engine/engine.h"
#include "model_files.h"

namespace ember {

using LoadProgress = std::function<void(size_t bytes_done, size_t bytes_total)>;

struct BuiltEngine {
  std::unique_ptr<Engine> engine;  // not started
  int max_model_len = 0;           // tokens of a sequence, as the device's memory allows
};

// Opens the device, plans its memory (and logs the plan), loads the weights and makes the engine.
// `sink` must outlive it. Throws StartError, and whatever `progress` throws.
BuiltEngine make_engine(const Settings& settings, const ModelFiles& files, OutputSink& sink,
                        const LoadProgress& progress);

}  // namespace ember
