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

class Checkpoint;

// The rows of a quantised matrix whose codes, scales and zero points are tensors of their own.
// Lives no longer than the checkpoint that it comes from; may be used by several threads.
class QuantizedRows {
 public:
  // Reading as many at once takes little longer than reading one: codes of neighbouring rows share
  // words and cache lines.
  static constexpr int64_t kTileRows = 16;

  virtual ~QuantizedRows() = default;
  // Rows [first, first + count) as float32, one behind the other. A weight is its scale times the
  // difference of code and zero point: exact but for the one rounding of that product.
  virtual void read(int64_t first, int64_t count, float* to) const = 0;
  // The same rows as blocks of the format that StoredTensor::format names. Codes are kept; scales
  // and minimums (scale times zero point) are rounded to float16. Returns one that is too large
  // for that.
  virtual std::optional<float> read_blocks(WeightFormat format, int64_t first, int64_t count,
                                           uint8_t* to) const = 0;
  // The name of a tensor that makes weights NaN or infinite; empty: none does. Reads everything.
  virtual std::string non_finite() const = 0;
  // As Checkpoint::release, of all its tensors, which are those of `checkpoint`.
  virtual void release(const Checkpoint& checkpoint) const = 0;
};

struct StoredTensor {
  std::string_view type;               // as the file spells it, e.g. "BF16"
  std::optional<WeightFormat> format;  // nullopt: none that Ember reads
  std::vector<int64_t> shape;          // rows first
  const void* data = nullptr;          // in host memory, at any address; see `owner`
  size_t bytes = 0;
  std::filesystem::path file;         // for messages
  std::shared_ptr<const void> owner;  // of the data; null: the checkpoint
  // Not null: reads the weights, and there is no `data`. Then `format` is Q4_0, Q4_1 or Q8_0 where
  // the weights can be such blocks, else kInt4, kInt8 or kF8E4M3.
  std::shared_ptr<const QuantizedRows> quantized;
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
  virtual StoredTensor tensor(std::string_view name, std::span<const int64_t> shape) const;
};

}  // namespace ember
