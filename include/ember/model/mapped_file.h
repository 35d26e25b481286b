// SPDX-License-Identifier: Apache-2.0
// Files of a model, mapped into memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace ember {

// A whole regular file, read-only. Symbolic links are followed wherever they lead: the owner of the
// directory decides. Throws StartError(kBadModel) naming file and reason.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  // Gives the memory of whole pages within a part of a file's bytes() back to the system, which
  // reads them again where they are used again.
  static void release(std::span<const std::byte> part);

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace ember
