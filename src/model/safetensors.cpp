// SPDX-License-Identifier: Apache-2.0
#include "ember/model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "ember/base/files.h"
#include "json_object.h"

namespace ember {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as the reference implementation

// Which file each tensor is in.
std::map<std::string, std::string> read_index(const std::filesystem::path& index_file) {
  const JsonObject index = JsonObject::read(index_file);
  const std::optional<JsonObject> map = index.object("weight_map");
  if (!map || map->json().empty())
    index.refuse("weight_map", "an object of tensor names and files");
  std::map<std::string, std::string> weight_map;
  for (const auto& [name, shard] : map->json().items()) {
    const std::string file = map->text(name, "");
    if (file.empty() || file.find('/') != std::string::npos || file == "." || file == "..")
      map->refuse(name, "the name of a file in the model directory");
    weight_map[name] = file;
  }
  return weight_map;
}

constexpr const char *kSingle = "model.safetensors", *kIndex = "model.safetensors.index.json";

std::optional<WeightFormat> format_of(std::string_view type) {
  if (type == "F32") return WeightFormat::kF32;
  if (type == "F16") return WeightFormat::kF16;
  if (type == "BF16") return WeightFormat::kBF16;
  return std::nullopt;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const std::span<const std::byte> bytes = file_.bytes();
  uint64_t header = 0;  // little-endian, as all machines Ember runs on
  if (bytes.size() < sizeof header)
    bad_model(path, fmt::format("{} bytes are no safetensors file", bytes.size()));
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header < 2 || header > kMaxHeaderBytes)
    bad_model(path, fmt::format("header of {} bytes, must be 2 to {}", header, kMaxHeaderBytes));
  const size_t left = bytes.size() - sizeof header;
  if (header > left)
    bad_model(path,
              fmt::format("header of {} bytes in a file of {} (truncated?)", header, bytes.size()));
  data_ = bytes.data() + sizeof header + header;
  try {
    entries_ = parse_safetensors_header(
        {reinterpret_cast<const char*>(bytes.data()) + sizeof header, header}, left - header);
  } catch (const std::invalid_argument& e) {
    bad_model(path, e.what());
  }
}

SafetensorsCheckpoint::SafetensorsCheckpoint(const std::filesystem::path& model_dir)
    : dir_(model_dir) {
  const std::filesystem::path index_file = model_dir / kIndex;
  std::map<std::string, std::string> weight_map;
  std::map<std::string, size_t> shards;
  if (path_exists(model_dir / kSingle)) {
    shards.emplace(kSingle, 0);
  } else if (path_exists(index_file)) {
    weight_map = read_index(index_file);
    for (const auto& [name, file] : weight_map) shards.emplace(file, 0);
  } else {
    bad_model(model_dir, fmt::format("has neither {} nor {}", kSingle, kIndex));
  }
  for (auto& [file, number] : shards) {
    number = files_.size();
    files_.emplace_back(model_dir / file);
  }
  for (size_t i = 0; i < files_.size(); ++i)
    for (const auto& [name, entry] : files_[i].entries())
      if (const auto [old, inserted] = where_.try_emplace(name, Place{i, &entry}); !inserted)
        bad_model(files_[i].path(), fmt::format("tensor \"{}\" is also in {}", name,
                                                files_[old->second.file].path().string()));
  for (const auto& [name, file] : weight_map) {
    const auto place = where_.find(name);
    if (place == where_.end() || place->second.file != shards[file])
      bad_model(index_file, fmt::format("tensor \"{}\" is not in {}", name.substr(0, 128),
                                        file.substr(0, 128)));
  }
}

bool SafetensorsCheckpoint::complete(const std::filesystem::path& model_dir) {
  const auto is_there = [&](const std::string& file) { return path_is_file(model_dir / file); };
  if (path_exists(model_dir / kSingle)) return is_there(kSingle);
  return is_there(kIndex) &&
         std::ranges::all_of(read_index(model_dir / kIndex),
                             [&](const auto& entry) { return is_there(entry.second); });
}

std::vector<std::string> SafetensorsCheckpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : where_) names.push_back(name);
  return names;
}

size_t SafetensorsCheckpoint::total_bytes() const {
  size_t total = 0;
  for (const auto& [name, place] : where_) total += place.entry->end - place.entry->begin;
  return total;
}

void SafetensorsCheckpoint::release(const StoredTensor& tensor) const {
  MappedFile::release({static_cast<const std::byte*>(tensor.data), tensor.bytes});
}

StoredTensor SafetensorsCheckpoint::stored(std::string_view name) const {
  const auto& [file, entry] = where_.find(name)->second;
  return {.type = entry->dtype,
          .format = format_of(entry->dtype),
          .shape = entry->shape,
          .data = files_[file].data(*entry),
          .bytes = entry->end - entry->begin,
          .file = files_[file].path()};
}

}  // namespace ember
