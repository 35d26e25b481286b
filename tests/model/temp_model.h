// SPDX-License-Identifier: Apache-2.0
// Model directories to break: copies of the tiny ones, and safetensors files made by hand.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "base/temp_dir.h"
#include "ember/base/dtype.h"
#include "ember/base/start_error.h"

namespace ember {

inline std::filesystem::path tiny_model(const std::string& name) {
  return std::filesystem::path(EMBER_SOURCE_DIR) / "tests/data/tiny" / name;
}

inline void write_file(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

inline std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string length_prefix(uint64_t n) {
  std::string bytes(sizeof n, '\0');
  std::memcpy(bytes.data(), &n, sizeof n);
  return bytes;
}

// A safetensors file with this header (padded by nothing) and data.
inline std::string safetensors(const std::string& header, const std::string& data) {
  return length_prefix(header.size()) + header + data;
}

using test::TempDir;

// A copy of a tiny model.
class TempModel : public TempDir {
 public:
  explicit TempModel(const std::string& name = "llama2") {
    for (const char* file : {"config.json", "generation_config.json", "model.safetensors"})
      std::filesystem::copy_file(tiny_model(name) / file, path() / file);
  }
  void edit(const std::string& file, const std::function<void(nlohmann::json&)>& change) const {
    nlohmann::json json = nlohmann::json::parse(read_file(path() / file));
    change(json);
    write_file(path() / file, json.dump());
  }
  void edit_config(const std::function<void(nlohmann::json&)>& change) const {
    edit("config.json", change);
  }
  void set(const std::string& field, const nlohmann::json& value) const {
    edit_config([&](nlohmann::json& config) { config[field] = value; });
  }

  // Stores every tensor, all of plain numbers, as the type of that name.
  void store_as(const std::function<DType(const std::string& name)>& type_of) const {
    edit_checkpoint([&](nlohmann::json& header, std::string& data) {
      std::string stored;
      for (auto& [name, tensor] : header.items()) {
        if (name == "__metadata__") continue;
        const DType from = dtype_called(tensor["dtype"]), to = type_of(name);
        const size_t begin = tensor["data_offsets"][0], end = tensor["data_offsets"][1],
                     at = stored.size();
        for (size_t i = 0; i < (end - begin) / size_of(from); ++i) {
          const float value = element_to_float(from, data.data() + begin, i);
          const uint16_t half = to == DType::kF16 ? float_to_f16(value) : float_to_bf16(value);
          stored.append(to == DType::kF32 ? reinterpret_cast<const char*>(&value)
                                          : reinterpret_cast<const char*>(&half),
                        size_of(to));
        }
        tensor["dtype"] = to == DType::kF32 ? "F32" : to == DType::kF16 ? "F16" : "BF16";
        tensor["data_offsets"] = {at, stored.size()};
      }
      data = stored;
    });
  }

  // Changes the checkpoint: its header (without the padding) and its data.
  void edit_checkpoint(
      const std::function<void(nlohmann::json& header, std::string& data)>& change) const {
    const std::string bytes = read_file(path() / "model.safetensors");
    uint64_t size = 0;
    std::memcpy(&size, bytes.data(), sizeof size);
    nlohmann::json header = nlohmann::json::parse(bytes.substr(sizeof size, size));
    std::string data = bytes.substr(sizeof size + size);
    change(header, data);
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    write_file(path() / "model.safetensors", safetensors(text, data));
  }

 private:
  static DType dtype_called(const std::string& type) {
    return type == "F32" ? DType::kF32 : type == "F16" ? DType::kF16 : DType::kBF16;
  }
};

// Runs body, which must throw a StartError(kBadModel) of one line, and returns that line ("" after
// a failure).
inline std::string refusal(const std::function<void()>& body) {
  try {
    body();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kBadModel);
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "was accepted";
  return "";
}

}  // namespace ember
