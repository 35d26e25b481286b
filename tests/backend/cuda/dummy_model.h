// SPDX-License-Identifier: Apache-2.0
// Small models of shapes that the kernels have, with random weights.
#pragma once

#include <nlohmann/json.hpp>

#include "ember/model/decoder.h"
#include "ember/model/dummy_checkpoint.h"
#include "model/temp_model.h"

namespace ember {

// The tiny model `name` with heads of 64 and a vocabulary of 300; `change` may alter its
// config.json further.
inline DecoderConfig dummy_config(const std::string& name,
                                  const std::function<void(nlohmann::json&)>& change = {}) {
  TempDir dir;
  nlohmann::json config = nlohmann::json::parse(read_file(tiny_model(name) / "config.json"));
  config["head_dim"] = 64;
  config["num_attention_heads"] = 2;
  config["num_key_value_heads"] = 1;
  config["hidden_size"] = 128;
  config["intermediate_size"] = 96;
  config["vocab_size"] = 300;
  config["max_position_embeddings"] = 512;
  if (config.contains("sliding_window") && config["sliding_window"].is_number())
    config["sliding_window"] = 40;
  if (config.contains("rope_parameters") && config["rope_parameters"].contains("long_factor"))
    for (const char* field : {"short_factor", "long_factor"}) {
      nlohmann::json& factors = config["rope_parameters"][field];
      while (factors.size() < 24) factors.push_back(factors.back());  // of 48 rotated dimensions
    }
  if (change) change(config);
  write_file(dir / "config.json", config.dump());
  return load_decoder_config(dir.path());
}

}  // namespace ember
