// SPDX-License-Identifier: Apache-2.0
// The CPU's own order of quantised weights holds what the formats define: dequantize() says so.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/model/dequantize.h"

namespace ember {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

// The blocks of the reference (scripts/make_gguf_reference.py), each as a row.
TEST(QuantizedRows, OfTheCpuAreTheDequantisedOnesBitForBit) {
  const auto reference = nlohmann::json::parse(
      std::ifstream(std::string(EMBER_SOURCE_DIR) + "/tests/data/gguf_blocks.json"));
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
  int formats = 0;
  for (size_t i = 0; i < std::size(kWeightFormats); ++i) {
    const auto format = static_cast<WeightFormat>(i);
    if (!reference.contains(name_of(format)) || !backend->takes(format)) continue;
    SCOPED_TRACE(name_of(format));
    ++formats;
    const std::string bytes = from_hex(reference[name_of(format)]["bytes"]);
    const int64_t columns = info_of(format).block_weights;
    const size_t row = row_bytes(format, columns);
    const auto rows = static_cast<int64_t>(bytes.size() / row);
    ASSERT_GT(rows, 0);
    const WeightView view{
        {format, rows, columns}, reinterpret_cast<const std::byte*>(bytes.data()), row};
    const Linear table = backend->make_linear(std::span(&view, 1), {}, {.split = Split::kVocab});
    std::vector<float> expected(static_cast<size_t>(columns));
    for (int32_t r = 0; r < rows; ++r) {
      dequantize(format, view.row(r), columns, expected.data());
      const Tensor y = backend->allocate(DType::kF32, {1, columns});
      backend->embed(y, table, Tensor(const_cast<int32_t*>(&r), DType::kI32, {1}));
      ASSERT_EQ(std::vector<float>(y.as<float>(), y.as<float>() + columns), expected) << r;
    }
  }
  EXPECT_EQ(formats, 8);
}

}  // namespace
}  // namespace ember
