// SPDX-License-Identifier: Apache-2.0
// Opens the device that the settings name and computes the limits of its engine.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/base/clock.h"
#include "ember/engine/memory_plan.h"
#include "ember/engine/rank_group.h"
#include "ember/model/decoder.h"
#include "settings.h"

namespace ember {

// Share of the host's available memory, which other programs need too.
inline constexpr double kHostUtilization = 0.5;

// Whether the machine whose files are below `root` has an NVIDIA GPU: a driver's device, or what
// Windows shows of its driver to a Linux guest (WSL), which has no such device.
bool has_nvidia_gpu(const std::filesystem::path& root = "/");

// Whether open_device() opens a GPU, or fails because it should be one.
bool wants_gpu(const DeviceSettings& settings);

// What was last asked of the device, for a message: a function of its library or a kernel. Empty:
// nothing is known. Any thread.
std::string last_device_call();

// Throws StartError: kNoDevice; kConfig for a --dtype that the device does not compute in. The CPU
// stands in for a GPU only where there is no sign of one, and says so.
std::unique_ptr<Backend> open_device(const EngineSettings& settings, const DecoderConfig& config);
// The same for --tensor-parallel-size ranks, each of which opens its device. kConfig for more than
// one rank on a device that is one.
std::unique_ptr<RankGroup> open_ranks(const EngineSettings& settings, const DecoderConfig& config);

struct Layout {
  DecoderLimits limits;
  Duration step_time_target{};    // as SchedulerConfig's
  std::vector<MemoryPlan> plans;  // of each rank

  const MemoryPlan& plan() const { return plans.front(); }
};

// Throws StartError: kConfig for a --max-model-len that the model or a --block-size that the device
// does not support, kNoDevice for too little memory. A context that was not asked for is shortened
// to what the memory holds.
Layout lay_out(const EngineSettings& settings, const Backend& backend, const DecoderConfig& config);

// The type to load weights in; nullopt: as LoadOptions::dtype says. Random weights have one.
std::optional<DType> weight_dtype(const ModelSettings& settings, const Backend& backend,
                                  const DecoderConfig& config);

// Each rank reserves its plan's memory and loads its part of the model into it: the checkpoint of
// --model-path, or random weights for --load-format dummy. `progress` is of rank 0, on its thread.
// Throws StartError, and whatever `progress` throws.
void load_decoders(const ModelSettings& settings, RankGroup& ranks, const DecoderConfig& config,
                   const std::vector<MemoryPlan>& plans,
                   const std::function<void(size_t bytes_done, size_t bytes_total)>& progress);

}  // namespace ember
