// SPDX-License-Identifier: Apache-2.0
#include "weight_conversion.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <thread>

#include "ember/base/check.h"
#include "ember/base/cpus.h"
#include "ember/base/integers.h"
#include "ember/model/dequantize.h"
#include "json_object.h"

namespace ember {

namespace {

constexpr int64_t kWeightsOfAThread = 1 << 18;  // below, starting one costs more

// Of quantised rows, which are no bytes to look at, only what it says of its shape holds.
WeightView view_of(const StoredTensor& stored) {
  const int64_t columns = stored.shape.size() < 2 ? 1 : stored.shape[1];
  return {{stored.format.value(), stored.shape[0], columns},
          static_cast<const std::byte*>(stored.data),
          row_bytes(*stored.format, columns)};
}

// Where row `row` of the model is stored; see DecoderConfig::paired_qk_rows.
int64_t stored_row(int64_t row, int64_t head_rows) {
  if (head_rows == 0) return row;
  const int64_t half = head_rows / 2, i = row % head_rows;
  return row - i + 2 * (i % half) + i / half;
}

// Returns a weight that is too large.
std::optional<float> narrow(const std::vector<float>& row, WeightFormat to, uint8_t* result) {
  const bool half = to == WeightFormat::kF16;
  std::optional<float> too_large;
  for (size_t i = 0; i < row.size(); ++i) {
    const uint16_t bits = half ? float_to_f16(row[i]) : float_to_bf16(row[i]);
    if (std::isfinite(row[i]) && !std::isfinite(half ? f16_to_float(bits) : bf16_to_float(bits)))
      too_large = row[i];
    std::memcpy(result + i * sizeof bits, &bits, sizeof bits);
  }
  return too_large;
}

class Conversion {
 public:
  Conversion(const WeightView& from, const QuantizedRows* quantized, WeightFormat to,
             int64_t head_rows, uint8_t* result)
      : from_(from),
        quantized_(quantized),
        to_(to),
        head_rows_(head_rows),
        result_(result),
        result_row_bytes_(row_bytes(to, from.columns)) {}

  // Returns a weight that is too large. Ranges of rows may be converted at the same time.
  std::optional<float> rows(int64_t begin, int64_t end) const {
    if (quantized_ != nullptr) return quantized_rows(begin, end);
    std::vector<float> floats(static_cast<size_t>(from_.columns));
    std::optional<float> too_large;
    for (int64_t r = begin; r < end; ++r) {
      const std::byte* from = from_.row(stored_row(r, head_rows_));
      uint8_t* to = result_ + static_cast<size_t>(r) * result_row_bytes_;
      if (from_.format == to_) {
        std::memcpy(to, from, result_row_bytes_);
        continue;
      }
      dequantize(from_.format, from, from_.columns, floats.data());
      if (const std::optional<float> large = put(floats, to)) too_large = large;
    }
    return too_large;
  }

 private:
  std::optional<float> quantized_rows(int64_t begin, int64_t end) const {
    std::vector<float> floats;
    std::optional<float> too_large;
    for (int64_t r = begin; r < end; r += QuantizedRows::kTileRows) {
      const int64_t count = std::min(QuantizedRows::kTileRows, end - r);
      floats.resize(static_cast<size_t>(count * from_.columns));
      uint8_t* to = result_ + static_cast<size_t>(r) * result_row_bytes_;
      if (!dtype_of(to_)) {
        if (const std::optional<float> large = quantized_->read_blocks(to_, r, count, to))
          too_large = large;
        continue;
      }
      quantized_->read(r, count, floats.data());
      if (const std::optional<float> large = put(floats, to)) too_large = large;
    }
    return too_large;
  }
  std::optional<float> put(const std::vector<float>& floats, uint8_t* to) const {
    if (to_ != WeightFormat::kF32) return narrow(floats, to_, to);
    std::memcpy(to, floats.data(), floats.size() * sizeof(float));
    return std::nullopt;
  }

  const WeightView& from_;
  const QuantizedRows* const quantized_;
  const WeightFormat to_;
  const int64_t head_rows_;
  uint8_t* const result_;
  const size_t result_row_bytes_;
};

std::optional<float> convert_in_parallel(const Conversion& conversion, int64_t rows,
                                         int64_t columns) {
  const int64_t useful = std::max<int64_t>(rows * columns / kWeightsOfAThread, 1),
                parts = std::min<int64_t>({usable_cpus(), useful, rows}),
                part = ceil_div(rows, parts);
  std::vector<std::optional<float>> too_large(static_cast<size_t>(parts));
  {
    std::vector<std::jthread> threads;
    for (int64_t i = 1; i < parts; ++i)
      threads.emplace_back([&, i] {
        too_large[static_cast<size_t>(i)] =
            conversion.rows(i * part, std::min((i + 1) * part, rows));
      });
    too_large[0] = conversion.rows(0, std::min(part, rows));
  }
  for (const std::optional<float>& large : too_large)
    if (large) return large;
  return std::nullopt;
}

}  // namespace

DType default_dtype(WeightFormat stored, DType of_model) {
  if (stored == WeightFormat::kF8E4M3) return of_model;
  return dtype_of(stored).value_or(DType::kF16);
}

WeightFormat loaded_format(WeightFormat stored, DType of_model, std::optional<DType> asked_for,
                           const Backend& backend) {
  if (asked_for) return format_of(*asked_for);
  return backend.takes(stored) ? stored : format_of(default_dtype(stored, of_model));
}

WeightView convert_weights(const StoredTensor& stored, const TensorSpec& spec, WeightFormat to,
                           std::vector<uint8_t>& storage) {
  const WeightView from = view_of(stored);
  CHECK(stored.quantized == nullptr || spec.paired_rows == 0, "{}: quantised rows are in order",
        spec.name);
  if (from.format == to && stored.quantized == nullptr && spec.paired_rows == 0) return from;
  const size_t bytes_of_row = row_bytes(to, from.columns);
  storage.resize(static_cast<size_t>(from.rows) * bytes_of_row);
  const Conversion conversion(from, stored.quantized.get(), to, spec.paired_rows, storage.data());
  if (const std::optional<float> large = convert_in_parallel(conversion, from.rows, from.columns))
    bad_model(stored.file,
              fmt::format("tensor \"{}\" holds {}{}, too large for {}; --dtype {} takes it",
                          spec.name, dtype_of(to) ? "" : "a scale or minimum of ", *large,
                          dtype_of(to) ? name_of(to) : "the float16 of blocks",
                          to == WeightFormat::kBF16 ? "float32" : "bfloat16"));
  return {{to, from.rows, from.columns},
          reinterpret_cast<const std::byte*>(storage.data()),
          bytes_of_row};
}

}  // namespace ember
