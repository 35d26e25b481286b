// SPDX-License-Identifier: Apache-2.0
#include "ember/model/gguf_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>

#include "ember/base/files.h"
#include "ember/base/start_error.h"
#include "ember/model/dequantize.h"
#include "json_object.h"

namespace ember {

namespace {

constexpr int64_t kMaxFiles = 9999;
constexpr const char *kNumber = "split.no", *kCount = "split.count",
                     *kTensors = "split.tensors.count";

// What ends the name of one file of a set.
std::string part_suffix(int64_t number, int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

// Refuses a file that is not the one its name says.
void check_part(const GgufFile& file, int64_t number, int64_t count, int64_t tensors) {
  const GgufMetadata metadata(file);
  metadata.integer(kNumber, number, number);
  metadata.integer(kCount, count, count);
  metadata.integer(kTensors, tensors, tensors);
}

bool is_gguf(const std::filesystem::path& path) { return path.extension() == ".gguf"; }

}  // namespace

GgufCheckpoint::GgufCheckpoint(const std::filesystem::path& file)
    : path_(file),
      files_([&] {
        std::vector<std::unique_ptr<const GgufFile>> files;
        files.push_back(std::make_unique<const GgufFile>(file));
        return files;
      }()),
      metadata_(*files_.front()) {
  open_others();
  for (const auto& part : files_)
    for (const auto& [name, tensor] : part->header().tensors)
      if (const auto [old, inserted] = where_.try_emplace(name, Place{part.get(), &tensor});
          !inserted)
        bad_model(part->path(), fmt::format("tensor {} is also in {}", shown_text(name),
                                            old->second.file->path().string()));
  if (metadata_.integer(kCount, 0, kMaxFiles, 1) > 1)
    metadata_.integer(kTensors, std::ssize(where_), std::ssize(where_));
}

void GgufCheckpoint::open_others() {
  const int64_t count = metadata_.integer(kCount, 0, kMaxFiles, 1);
  if (count <= 1) return;
  const std::string name = path_.filename().string(), suffix = part_suffix(0, count);
  if (!name.ends_with(suffix))
    metadata_.refuse(kCount, fmt::format("the first file of the set, called \"...{}\"", suffix));
  const int64_t tensors = metadata_.integer(kTensors, 0, INT32_MAX);
  check_part(*files_.front(), 0, count, tensors);
  const std::string stem = name.substr(0, name.size() - suffix.size());
  for (int64_t i = 1; i < count; ++i) {
    files_.push_back(
        std::make_unique<const GgufFile>(path_.parent_path() / (stem + part_suffix(i, count))));
    check_part(*files_.back(), i, count, tensors);
  }
}

std::vector<std::string> GgufCheckpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : where_) names.emplace_back(name);
  return names;
}

size_t GgufCheckpoint::total_bytes() const {
  size_t total = 0;
  for (const auto& [name, place] : where_) total += place.tensor->end - place.tensor->begin;
  return total;
}

std::string GgufCheckpoint::supported_types() const {
  return "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL or "
         "MXFP4";
}

void GgufCheckpoint::release(const StoredTensor& tensor) const {
  MappedFile::release({static_cast<const std::byte*>(tensor.data), tensor.bytes});
}

StoredTensor GgufCheckpoint::stored(std::string_view name) const {
  const auto& [file, tensor] = where_.find(name)->second;
  return {.type = tensor->type->name,
          .format = tensor->type->format,
          .shape = tensor->shape,
          .data = file->data(*tensor),
          .bytes = tensor->end - tensor->begin,
          .file = file->path()};
}

std::filesystem::path find_gguf(const std::filesystem::path& path) {
  if (!path_is_directory(path)) return is_gguf(path) ? path : std::filesystem::path();
  Result<std::vector<std::filesystem::path>> entries = list_directory(path);
  if (!entries.ok()) throw StartError(ExitCode::kBadModel, entries.error().message);
  std::vector<std::filesystem::path>& files = entries.value();
  std::erase_if(files, [](const auto& file) { return !is_gguf(file); });
  if (files.empty()) return {};
  const std::string first = files.front().filename().string();
  const std::string suffix = part_suffix(0, std::ssize(files));
  const std::string stem = first.substr(0, first.size() - std::min(first.size(), suffix.size()));
  for (int64_t i = 0; i < std::ssize(files) && files.size() > 1; ++i)
    if (files[static_cast<size_t>(i)].filename() != stem + part_suffix(i, std::ssize(files)))
      bad_model(path, fmt::format("holds {} GGUF files, among them \"{}\": name the one to load",
                                  files.size(), files[static_cast<size_t>(i)].filename().string()));
  return files.front();
}

}  // namespace ember
