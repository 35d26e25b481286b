// SPDX-License-Identifier: Apache-2.0
#include "ember/model/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "ember/base/log.h"
#include "ember/model/dequantize.h"
#include "json_object.h"
#include "weight_specs.h"

namespace ember {

namespace {

// A tensor that repeats what the config says about positions.
bool is_known(const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with("rotary_pos_emb.inv_freq") ||
         name == "rope_freqs.weight" || name.starts_with("rope_factors_");
}

// Rows [first, first + count) of a matrix as numbers.
void read_rows(const StoredTensor& tensor, int64_t first, int64_t count, float* to) {
  if (tensor.quantized != nullptr) return tensor.quantized->read(first, count, to);
  const int64_t columns = tensor.shape[1];
  const size_t bytes = row_bytes(*tensor.format, columns);
  const auto* from =
      static_cast<const std::byte*>(tensor.data) + static_cast<size_t>(first) * bytes;
  for (int64_t r = 0; r < count; ++r, from += bytes, to += columns)
    dequantize(*tensor.format, from, columns, to);
}

// Two matrices of one shape hold the same numbers, whatever they are stored as.
bool same_numbers(const StoredTensor& a, const StoredTensor& b) {
  if (a.quantized == nullptr && b.quantized == nullptr && a.format == b.format)
    return std::memcmp(a.data, b.data, a.bytes) == 0;
  constexpr int64_t kTile = QuantizedRows::kTileRows;
  const int64_t rows = a.shape[0], columns = a.shape[1];
  std::vector<float> of_a(static_cast<size_t>(kTile * columns)), of_b(of_a.size());
  for (int64_t r = 0; r < rows; r += kTile) {
    const int64_t count = std::min(kTile, rows - r);
    read_rows(a, r, count, of_a.data());
    read_rows(b, r, count, of_b.data());
    if (!std::equal(of_a.begin(), of_a.begin() + count * columns, of_b.begin())) return false;
  }
  return true;
}

// Looks tensors up as loading does and remembers which ones the decoder needs.
class Inventory final : public WeightVisitor {
 public:
  explicit Inventory(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  void matrix(const MatrixSpec& spec, Linear&) override {
    for (size_t i = 0; i < spec.weights.size(); ++i) {
      require(spec.weights[i]);
      if (!spec.biases.empty()) require(spec.biases[i]);
    }
  }
  void vector(const TensorSpec& spec, Tensor&) override { require(spec); }
  void tied(const TensorSpec& spec, const TensorSpec& other) override {
    if (!checkpoint_.has(spec.name)) return;
    const StoredTensor a = require(spec), b = require(other);
    if (!same_numbers(a, b))
      bad_model(a.file,
                fmt::format("tensor \"{}\" differs from \"{}\", to which config.json ties it",
                            spec.name, other.name));
  }

  void warn_of_others() const {
    size_t others = 0;
    std::string first;
    for (const std::string& name : checkpoint_.names()) {
      if (wanted_.contains(name) || is_known(name)) continue;
      if (others++ == 0) first = name;
    }
    if (others > 0)
      spdlog::warn("{} tensors of the checkpoint are not used, e.g. \"{}\"", others, first);
  }

 private:
  StoredTensor require(const TensorSpec& spec) {
    wanted_.insert(spec.name);
    return checkpoint_.tensor(spec.name, spec.shape);
  }

  const Checkpoint& checkpoint_;
  std::set<std::string> wanted_;
};

// True when an exponent field of all ones (NaN or infinity) occurs. The bytes may lie at any
// address.
template <class Word>
bool has_non_finite(const StoredTensor& tensor, Word exponent) {
  const auto* bytes = static_cast<const unsigned char*>(tensor.data);
  for (size_t i = 0; i + sizeof(Word) <= tensor.bytes; i += sizeof(Word)) {
    Word word;
    std::memcpy(&word, bytes + i, sizeof word);
    if ((word & exponent) == exponent) return true;
  }
  return false;
}

// Of blocks: every weight that they stand for.
bool rows_are_finite(const StoredTensor& tensor) {
  const int64_t columns = tensor.shape.back();
  const size_t bytes = row_bytes(*tensor.format, columns);
  if (!can_dequantize(*tensor.format)) return true;
  std::vector<float> row(static_cast<size_t>(columns));
  for (size_t at = 0; at < tensor.bytes; at += bytes) {
    dequantize(*tensor.format, static_cast<const std::byte*>(tensor.data) + at, columns,
               row.data());
    if (!std::ranges::all_of(row, [](float weight) { return std::isfinite(weight); })) return false;
  }
  return true;
}

bool is_finite(const StoredTensor& tensor) {
  if (tensor.format == WeightFormat::kF32) return !has_non_finite<uint32_t>(tensor, 0x7f800000u);
  if (tensor.format == WeightFormat::kF16) return !has_non_finite<uint16_t>(tensor, 0x7c00u);
  if (tensor.format == WeightFormat::kBF16) return !has_non_finite<uint16_t>(tensor, 0x7f80u);
  return !tensor.format || rows_are_finite(tensor);  // without a format it is no weight
}

}  // namespace

void check_tensors(const Checkpoint& checkpoint, const DecoderConfig& config) {
  Inventory inventory(checkpoint);
  DecoderWeights none;
  visit_weights(config, none, inventory);
  inventory.warn_of_others();
}

void check_finite(const Checkpoint& checkpoint) {
  for (const std::string& name : checkpoint.names()) {
    const StoredTensor tensor = checkpoint.stored(name);
    std::string culprit;
    if (tensor.quantized != nullptr)
      culprit = tensor.quantized->non_finite();
    else if (!is_finite(tensor))
      culprit = name;
    if (!culprit.empty())
      bad_model(tensor.file, fmt::format("tensor \"{}\" holds a NaN or an infinity", culprit));
  }
}

}  // namespace ember
