// SPDX-License-Identifier: Apache-2.0
#include "ember/model/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <utility>

#include "json_object.h"

namespace ember {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as the reference implementation

struct File {
  explicit File(const std::filesystem::path& path)
      : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (fd < 0) bad_model(path, fmt::format("cannot be opened: {}", std::strerror(errno)));
  }
  ~File() { ::close(fd); }
  const int fd;
};

// The target of a path, which must stay in the model directory, or in the Hugging Face cache that
// the directory is a snapshot of.
std::filesystem::path resolved(const std::filesystem::path& dir,
                               const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  if (error)
    bad_model(path,
              error == std::errc::no_such_file_or_directory ? "file is missing" : error.message());
  std::filesystem::path root = std::filesystem::canonical(dir);
  if (root.parent_path().filename() == "snapshots") root = root.parent_path().parent_path();
  const std::filesystem::path relative = target.lexically_relative(root);
  if (relative.empty() || *relative.begin() == "..")
    bad_model(path,
              fmt::format("links to {}, which is outside of {}", target.string(), root.string()));
  if (!std::filesystem::is_regular_file(target)) bad_model(path, "not a regular file");
  return path;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path) {
  const File file(path);
  struct stat status{};
  if (::fstat(file.fd, &status) != 0 || !S_ISREG(status.st_mode))
    bad_model(path, "not a regular file");
  const auto size = static_cast<uint64_t>(status.st_size);
  uint64_t header = 0;  // little-endian, as all machines Ember runs on
  if (size < sizeof header) bad_model(path, fmt::format("{} bytes are no safetensors file", size));
  if (::pread(file.fd, &header, sizeof header, 0) != sizeof header)
    bad_model(path, fmt::format("cannot be read: {}", std::strerror(errno)));
  if (header < 2 || header > kMaxHeaderBytes)
    bad_model(path, fmt::format("header of {} bytes, must be 2 to {}", header, kMaxHeaderBytes));
  if (header > size - sizeof header)
    bad_model(path, fmt::format("header of {} bytes in a file of {} (truncated?)", header, size));
  void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (mapping == MAP_FAILED)
    bad_model(path, fmt::format("cannot be mapped: {}", std::strerror(errno)));
  mapping_ = mapping;
  mapped_bytes_ = size;
  const auto* bytes = static_cast<const std::byte*>(mapping);
  data_ = bytes + sizeof header + header;
  try {
    entries_ =
        parse_safetensors_header({reinterpret_cast<const char*>(bytes) + sizeof header, header},
                                 size - sizeof header - header);
  } catch (const std::invalid_argument& e) {
    ::munmap(mapping_, mapped_bytes_);
    bad_model(path, e.what());
  }
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&& other) noexcept
    : path_(std::move(other.path_)),
      mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_bytes_(other.mapped_bytes_),
      data_(other.data_),
      entries_(std::move(other.entries_)) {}

SafetensorsFile::~SafetensorsFile() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapped_bytes_);
}

Checkpoint Checkpoint::open(const std::filesystem::path& model_dir) {
  Checkpoint checkpoint;
  checkpoint.dir_ = model_dir;
  const std::filesystem::path index_file = model_dir / "model.safetensors.index.json",
                              single = model_dir / "model.safetensors";
  std::map<std::string, std::string> weight_map;
  std::map<std::string, size_t> shards;
  if (!std::filesystem::exists(std::filesystem::symlink_status(single)) &&
      std::filesystem::exists(index_file)) {
    const JsonObject index = JsonObject::read(resolved(model_dir, index_file));
    const std::optional<JsonObject> map = index.object("weight_map");
    if (!map || map->json().empty())
      index.refuse("weight_map", "an object of tensor names and files");
    for (const auto& [name, shard] : map->json().items()) {
      const std::string file = map->text(name, "");
      if (file.empty() || file.find('/') != std::string::npos || file == "." || file == "..")
        map->refuse(name, "the name of a file in the model directory");
      weight_map[name] = file;
      shards.emplace(file, 0);
    }
  } else {
    if (!std::filesystem::exists(std::filesystem::symlink_status(single)))
      bad_model(model_dir, "has neither model.safetensors nor model.safetensors.index.json");
    shards.emplace("model.safetensors", 0);
  }
  for (auto& [file, number] : shards) {
    number = checkpoint.files_.size();
    checkpoint.files_.emplace_back(resolved(model_dir, model_dir / file));
  }
  for (size_t i = 0; i < checkpoint.files_.size(); ++i)
    for (const auto& [name, entry] : checkpoint.files_[i].entries())
      if (const auto [old, inserted] = checkpoint.where_.try_emplace(name, Place{i, &entry});
          !inserted)
        bad_model(checkpoint.files_[i].path(),
                  fmt::format("tensor \"{}\" is also in {}", name,
                              checkpoint.files_[old->second.file].path().string()));
  for (const auto& [name, file] : weight_map) {
    const auto place = checkpoint.where_.find(name);
    if (place == checkpoint.where_.end() || place->second.file != shards[file])
      bad_model(index_file, fmt::format("tensor \"{}\" is not in {}", name.substr(0, 128),
                                        file.substr(0, 128)));
  }
  return checkpoint;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : where_) names.push_back(name);
  return names;
}

const std::filesystem::path& Checkpoint::file_of(std::string_view name) const {
  return files_[where_.find(name)->second.file].path();
}

Tensor Checkpoint::tensor(std::string_view name, std::span<const int64_t> shape) const {
  const auto found = where_.find(name);
  if (found == where_.end())
    bad_model(dir_,
              fmt::format("tensor \"{}\" of shape [{}] is missing", name, fmt::join(shape, ", ")));
  const SafetensorsFile& file = files_[found->second.file];
  const TensorEntry& entry = *found->second.entry;
  if (!std::equal(shape.begin(), shape.end(), entry.shape.begin(), entry.shape.end()))
    bad_model(file.path(), fmt::format("tensor \"{}\": expected shape [{}], found [{}]", name,
                                       fmt::join(shape, ", "), fmt::join(entry.shape, ", ")));
  Tensor tensor;
  if (entry.dtype == "F32")
    tensor.dtype = DType::kF32;
  else if (entry.dtype == "F16")
    tensor.dtype = DType::kF16;
  else if (entry.dtype == "BF16")
    tensor.dtype = DType::kBF16;
  else
    bad_model(file.path(),
              fmt::format("tensor \"{}\": expected F32, F16 or BF16, found {}", name, entry.dtype));
  tensor.data = const_cast<void*>(file.data(entry));
  tensor.ndim = static_cast<int>(shape.size());
  tensor.row_stride = 1;
  for (size_t i = 0; i < shape.size(); ++i) tensor.shape[i] = shape[i];
  for (size_t i = 1; i < shape.size(); ++i) tensor.row_stride *= shape[i];
  return tensor;
}

size_t Checkpoint::total_bytes() const {
  size_t total = 0;
  for (const auto& [name, place] : where_) total += place.entry->end - place.entry->begin;
  return total;
}

namespace {

// True when an exponent field of all ones (NaN or infinity) occurs. The bytes may lie at any
// address.
template <class Word>
bool has_non_finite(const void* data, size_t count, Word exponent) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, bytes + i * sizeof word, sizeof word);
    if ((word & exponent) == exponent) return true;
  }
  return false;
}

}  // namespace

void check_finite(const Checkpoint& checkpoint) {
  for (const std::string& name : checkpoint.names()) {
    const auto [dtype, data, bytes] = checkpoint.raw(name);
    const bool bad = (dtype == "F32" && has_non_finite<uint32_t>(data, bytes / 4, 0x7f800000u)) ||
                     (dtype == "F16" && has_non_finite<uint16_t>(data, bytes / 2, 0x7c00u)) ||
                     (dtype == "BF16" && has_non_finite<uint16_t>(data, bytes / 2, 0x7f80u));
    if (bad)
      bad_model(checkpoint.file_of(name),
                fmt::format("tensor \"{}\" holds a NaN or an infinity", name));
  }
}

Checkpoint::Raw Checkpoint::raw(std::string_view name) const {
  const Place& place = where_.find(name)->second;
  return {place.entry->dtype, files_[place.file].data(*place.entry),
          place.entry->end - place.entry->begin};
}

}  // namespace ember
