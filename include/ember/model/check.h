// SPDX-License-Identifier: Apache-2.0
// Validates weights without a device.
#pragma once

#include "ember/model/checkpoint.h"
#include "ember/model/decoder_config.h"

namespace ember {

// All tensors the config asks for are there, in a type and shape Ember can read; others are named
// in the log. Reads no weight but a tied output matrix that is stored besides the embedding: the
// two must be equal. Throws StartError(kBadModel).
void check_tensors(const Checkpoint& checkpoint, const DecoderConfig& config);

// Reads every weight: all are finite. Throws StartError(kBadModel) naming file and tensor
// otherwise.
void check_finite(const Checkpoint& checkpoint);

}  // namespace ember
