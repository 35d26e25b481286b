// SPDX-License-Identifier: Apache-2.0
// Validates a model directory without a device.
#pragma once

#include <filesystem>

#include "ember/model/checkpoint.h"
#include "ember/model/decoder_config.h"

namespace ember {

// Config, generation config, every header and every tensor's type and shape; with `deep`, also that
// all weights are finite. Throws StartError(kBadModel): one line naming file, field or tensor, what
// is expected and what was found.
void check_model(const std::filesystem::path& model_dir, bool deep);

// All tensors the config asks for are there, in a type and shape Ember can read; others are named
// in the log. Reads no weight but a tied output matrix that is stored besides the embedding: the
// two must be equal. Throws StartError(kBadModel).
void check_tensors(const Checkpoint& checkpoint, const DecoderConfig& config);

// Reads every weight: all are finite. Throws StartError(kBadModel) naming file and tensor
// otherwise.
void check_finite(const Checkpoint& checkpoint);

}  // namespace ember
