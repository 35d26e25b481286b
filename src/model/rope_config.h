// SPDX-License-Identifier: Apache-2.0
// The rotary embeddings that config.json describes.
#pragma once

#include "ember/model/decoder_config.h"
#include "json_object.h"

namespace ember {

// Both need decoder's head_dim, max_position and ropes.front().interleaved, and throw
// StartError(kBadModel).

// ropes[0]: "rope_scaling" beside a "rope_theta" (transformers 4), or all in
// "rope_parameters" (5). Makes max_position what the scaling extends it to.
void read_rope(const JsonObject& config, DecoderConfig& decoder);

// ropes[0] for layers that see everything and ropes[1] for those with a window: "rope_theta" with
// "rope_scaling" and "rope_local_base_freq" (transformers 4), or "full_attention" and
// "sliding_attention" of "rope_parameters" (5). max_position has the scaling in it already.
void read_global_and_local_rope(const JsonObject& config, DecoderConfig& decoder);

}  // namespace ember
