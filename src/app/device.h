// From settings to a device and the limits of what runs on it.
#pragma once

#include <memory>

#include "app/config.h"
#include "ember/backend/backend.h"
#include "ember/engine/memory_plan.h"
#include "ember/model/decoder.h"

namespace ember {

// Throws StartError(kNoDevice). The CPU stands in for a GPU only where there is no sign of one.
std::unique_ptr<Backend> open_device(const Settings& settings);

struct Layout {
  DecoderLimits limits;
  MemoryPlan plan;
};

// Throws StartError: kConfig for a --max-model-len that the model does not support, kNoDevice for too little memory. A context
// that was not asked for is shortened to what the memory holds.
Layout lay_out(const Settings& settings, const Backend& backend, const DecoderConfig& config);

// --dtype as a type; nullopt for auto.
std::optional<DType> weight_dtype(const Settings& settings);

}  // namespace ember
