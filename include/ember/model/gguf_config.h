// SPDX-License-Identifier: Apache-2.0
// A GGUF file's metadata as what config.json and generation_config.json say.
#pragma once

#include "ember/model/decoder_config.h"
#include "ember/model/gguf_checkpoint.h"

namespace ember {

// Throws StartError(kBadModel): one line with file, key, what was found and what is expected; names
// the architectures that are known where it is another one.
DecoderConfig gguf_decoder_config(const GgufCheckpoint& checkpoint);

// The recommended sampling of the file, and the tokens that end an answer: those that it names so,
// and control tokens whose names are known to. Throws as above, also for ids outside
// [0, config.vocab_size).
GenerationDefaults gguf_generation_defaults(const GgufMetadata& metadata,
                                            const DecoderConfig& config);

}  // namespace ember
