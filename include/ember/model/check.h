// SPDX-License-Identifier: Apache-2.0
// Validates weights without a device.
#pragma once

#include "ember/model/checkpoint.h"
#include "ember/model/decoder_config.h"

namespace ember {

// Checks that all tensors the config asks for are there, in a type and shape Ember can read, and
// logs the names of others. Reads no weights, except when a tied output matrix is stored besides
// the embedding: the two must be equal. Throws StartError(kBadModel).
void check_tensors(const Checkpoint& checkpoint, const DecoderConfig& config);

// Reads every weight: all are finite. Throws StartError(kBadModel) naming file and tensor
// otherwise.
void check_finite(const Checkpoint& checkpoint);

}  // namespace ember
