// SPDX-License-Identifier: Apache-2.0
// Makes an engine from settings and a model directory: device, memory plan, weights, runner.
#pragma once

#include <memory>

#include "ember/engine/engine_thread.h"
#include "model_source.h"
#include "settings.h"

namespace ember {

// Opens the device, plans its memory (and logs the plan), loads the weights and makes the engine,
// on the thread that will run it. `sink` must outlive it. Throws StartError, and whatever
// `progress` throws.
std::unique_ptr<Engine> make_engine(const EngineSettings& settings, const ModelFiles& files,
                                    OutputSink& sink, const LoadProgress& progress);

}  // namespace ember
