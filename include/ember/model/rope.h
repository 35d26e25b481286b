// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding: the angles of every position.
#pragma once

#include <vector>

#include "ember/model/decoder_config.h"

namespace ember {

// Row p (of rotary_dim numbers) holds the rotary_dim/2 cosines, then the sines of position p, as
// Backend::rope_and_store reads them. Formulas: Hugging Face transformers, modeling_rope_utils.py
// (linear, dynamic NTK, llama3, yarn and longrope with their attention factors). Dynamic NTK would
// change its base with the length of the text, and so the keys in the cache; as in vLLM it has one
// base instead, the one for the longest text, original_max_position * factor tokens. Longrope would
// change its divisors so; here num_positions decides for all positions.
std::vector<float> rope_table(const RopeConfig& rope, int num_positions);

}  // namespace ember
