// SPDX-License-Identifier: Apache-2.0
// The tensors of a model, in whatever format its files store them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ember/base/weight_format.h"

namespace ember {

struct StoredTensor {
  std::string_view type;               // as the file spells it, e.g. "BF16"
  std::optional<WeightFormat> format;  // nullopt: none that Ember reads
  std::vector<int64_t> shape;          // rows first
  const void* data = nullptr;          // in host memory, at any address; see `owner`
  size_t bytes = 0;
  std::filesystem::path file;         // for messages
  std::shared_ptr<const void> owner;  // of the data; null: the checkpoint
};

class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  // The directory or file that it was opened at.
  virtual const std::filesystem::path& path() const = 0;
  virtual std::vector<std::string> names() const = 0;  // sorted
  virtual bool has(std::string_view name) const = 0;
  // A tensor that it has; `type` and `data` are valid as long as the checkpoint and the result.
  virtual StoredTensor stored(std::string_view name) const = 0;
  // The tensor has been read: its memory may be given back. Reading it again is right, and slow.
  virtual void release(const StoredTensor& /*tensor*/) const {}
  virtual size_t total_bytes() const = 0;  // of all tensors
  // Of matrices, for messages.
  virtual std::string supported_types() const { return "F32, F16 or BF16"; }

  // A tensor that the model needs. Throws StartError(kBadModel) when it is missing, of another
  // shape, or of a type that Ember does not read; vectors must be plain numbers.
  StoredTensor tensor(std::string_view name, std::span<const int64_t> shape) const;
};

}  // namespace ember
