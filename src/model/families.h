// SPDX-License-Identifier: Apache-2.0
// The architectures Ember knows, one row each.
#pragma once

#include <span>
#include <string>

#include "ember/model/decoder_config.h"
#include "json_object.h"

namespace ember {

struct Family {
  const char* architecture;  // in config.json's "architectures"
  int default_head_dim;      // 0: hidden_size / num_attention_heads
  double default_norm_eps;
  double default_rotary_share;                                     // of head_dim
  void (*fill)(const JsonObject& config, DecoderConfig& decoder);  // what sets the family apart
};

// The family of config.json; throws StartError(kBadModel) naming it and those known.
const Family& find_family(const JsonObject& config);

}  // namespace ember
