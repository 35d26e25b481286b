// SPDX-License-Identifier: Apache-2.0
// The architectures Ember knows, one row each.
#pragma once

#include <string>

#include "ember/model/decoder_config.h"
#include "json_object.h"
#include "rope_config.h"

namespace ember {

struct Family {
  const char* architecture;  // in config.json's "architectures"
  // JSON: what fields that config.json does not have stand for.
  const char* defaults;
  // Sets what sets the family apart. Sizes are known already; ropes are read afterwards.
  void (*fill)(const JsonObject& config, DecoderConfig& decoder);
  void (*read_ropes)(const JsonObject& config, DecoderConfig& decoder) = read_rope;
  // An object with the fields that all families have; null: config.json is one.
  JsonObject (*translate)(const JsonObject& config) = nullptr;
};

// The family of config.json; throws StartError(kBadModel) naming it and those known.
const Family& find_family(const JsonObject& config);

}  // namespace ember
