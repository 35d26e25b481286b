// SPDX-License-Identifier: Apache-2.0
// Modules that the libraries of each format packed (scripts/make_quantized_reference.py), as files.
#pragma once

#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ember/model/safetensors.h"
#include "model/temp_model.h"
#include "quantization.h"

namespace ember {

inline std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

inline const nlohmann::json& library_modules() {
  static const nlohmann::json file = nlohmann::json::parse(
      std::ifstream(std::string(EMBER_SOURCE_DIR) + "/tests/data/quantized_modules.json"));
  return file["modules"];
}

// One of them, called "m", in a directory with a model.safetensors; to be damaged before files().
class LibraryModule {
 public:
  static constexpr int64_t kRows = 32, kColumns = 64;
  struct Part {
    std::string type;
    std::vector<int64_t> shape;
    std::string data;
  };

  explicit LibraryModule(const std::string& name) : weights(kRows * kColumns) {
    const nlohmann::json& module = library_modules().at(name);
    config["quantization_config"] = module["quantization_config"];
    for (const auto& [part, tensor] : module["tensors"].items())
      parts["m." + part] = {tensor["type"], tensor["shape"], from_hex(tensor["data"])};
    const std::string bytes = from_hex(module["weights"]);
    std::memcpy(weights.data(), bytes.data(), bytes.size());
  }

  QuantizationScheme scheme() const {
    const auto quantization = read_quantization(JsonObject("config.json", "", config));
    return *quantization.value().scheme_of("m");
  }
  SafetensorsCheckpoint files() const {
    nlohmann::json header;
    std::string data;
    for (const auto& [name, part] : parts) {
      header[name] = {{"dtype", part.type},
                      {"shape", part.shape},
                      {"data_offsets", {data.size(), data.size() + part.data.size()}}};
      data += part.data;
    }
    write_file(dir_.path() / "model.safetensors", safetensors(header.dump(), data));
    return SafetensorsCheckpoint(dir_.path());
  }

  nlohmann::json config;
  std::map<std::string, Part> parts;
  std::vector<float> weights;  // as the library has them

 private:
  TempDir dir_;
};

}  // namespace ember
