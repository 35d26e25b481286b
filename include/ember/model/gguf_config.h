// SPDX-License-Identifier: Apache-2.0
// Turns a GGUF file's metadata into what config.json and generation_config.json hold.
#pragma once

#include "ember/model/decoder_config.h"
#include "ember/model/gguf_checkpoint.h"

namespace ember {

// Throws StartError(kBadModel): one line with file, key, what was found and what is expected; for
// an unknown architecture it names the known ones.
DecoderConfig gguf_decoder_config(const GgufCheckpoint& checkpoint);

// The recommended sampling of the file, and the tokens that end an answer: those that the file
// names, and control tokens whose names are known to end answers. Throws as above, also for ids
// outside [0, config.vocab_size).
GenerationDefaults gguf_generation_defaults(const GgufMetadata& metadata,
                                            const DecoderConfig& config);

}  // namespace ember
