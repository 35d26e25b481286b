// SPDX-License-Identifier: Apache-2.0
// Modules as the libraries of each format pack and read them, and damaged ones.
#include "quantized_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "ember/model/dequantize.h"
#include "model/quantized_modules.h"
#include "quantized_module.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t kShape[2] = {LibraryModule::kRows, LibraryModule::kColumns};

std::vector<float> all_rows(const StoredTensor& weight, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> rows(LibraryModule::kRows * LibraryModule::kColumns);
  for (int64_t r = 0; r < LibraryModule::kRows;) {
    const int64_t count = std::min<int64_t>(std::uniform_int_distribution<int>(1, 16)(random),
                                            LibraryModule::kRows - r);
    weight.quantized->read(r, count, rows.data() + r * LibraryModule::kColumns);
    r += count;
  }
  return rows;
}

TEST(QuantizedWeights, EqualThoseOfTheLibraries) {
  const unsigned seed = std::random_device{}();
  size_t compared = 0;
  for (const auto& [name, json] : library_modules().items()) {
    SCOPED_TRACE(testing::Message() << name << ", seed " << seed);
    const LibraryModule module(name);
    const SafetensorsCheckpoint files = module.files();
    const QuantizationScheme scheme = module.scheme();
    ASSERT_TRUE(stores_quantized(files, "m", scheme));
    EXPECT_EQ(quantized_shape(files, "m", scheme), std::vector<int64_t>(kShape, kShape + 2));
    const StoredTensor weight = quantized_weight(files, "m", kShape, scheme);
    ASSERT_NE(weight.quantized, nullptr);
    EXPECT_EQ(weight.bytes, files.total_bytes());
    const std::vector<float> rows = all_rows(weight, seed);
    for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], module.weights[i]) << i;
    EXPECT_EQ(weight.quantized->non_finite(), "");
    ++compared;
  }
  EXPECT_EQ(compared, 23u);
}

// Scales of the libraries' modules have 11 bits or fewer: only a minimum can be rounded.
TEST(QuantizedWeights, AsBlocksTheyDifferByTheRoundingOfAMinimumAtMost) {
  for (const auto& [name, json] : library_modules().items()) {
    SCOPED_TRACE(name);
    const LibraryModule module(name);
    const SafetensorsCheckpoint files = module.files();
    const StoredTensor weight = quantized_weight(files, "m", kShape, module.scheme());
    const WeightFormat format = *weight.format;
    if (!can_dequantize(format)) continue;
    const auto& stored = dynamic_cast<const QuantizedModule&>(*weight.quantized);
    const size_t bytes_of_row = row_bytes(format, kShape[1]);
    std::vector<uint8_t> blocks(kShape[0] * bytes_of_row);
    EXPECT_FALSE(weight.quantized->read_blocks(format, 0, 20, blocks.data()));
    EXPECT_FALSE(weight.quantized->read_blocks(format, 20, 12, blocks.data() + 20 * bytes_of_row));
    std::vector<float> row(kShape[1]);
    for (int64_t r = 0; r < kShape[0]; ++r) {
      dequantize(format, reinterpret_cast<const std::byte*>(blocks.data()) + r * bytes_of_row,
                 kShape[1], row.data());
      for (int64_t k = 0; k < kShape[1]; ++k) {
        const float exact = module.weights[r * kShape[1] + k];
        const float step = stored.scales.at(r, stored.group_of_column[static_cast<size_t>(k)]);
        ASSERT_NEAR(row[k], exact, format == WeightFormat::kQ4_1 ? 15 * 0x1p-11f * step : 0)
            << r << " " << k;
      }
    }
  }
}

TEST(QuantizedWeights, AreBlocksWhereBlocksCanSayThem) {
  const std::pair<const char*, WeightFormat> cases[] = {
      {"awq_32", WeightFormat::kQ4_1},
      {"gptq", WeightFormat::kQ4_1},
      {"gptq_act_order", WeightFormat::kInt4},  // neighbours are of different groups
      {"gptq_symmetric", WeightFormat::kInt4},  // groups of 16
      {"gptq_8_row", WeightFormat::kInt8},      // no block of bytes has a minimum
      {"packed_4_channel", WeightFormat::kQ4_0},
      {"packed_4_asymmetric_channel", WeightFormat::kQ4_1},
      {"packed_8_channel", WeightFormat::kQ8_0},
      {"int8_channel", WeightFormat::kQ8_0},
      {"int8_tensor", WeightFormat::kQ8_0},
      {"int8_asymmetric", WeightFormat::kInt8},
      {"float8_block", WeightFormat::kF8E4M3}};
  for (const auto& [name, format] : cases) {
    const LibraryModule module(name);
    EXPECT_EQ(quantized_weight(module.files(), "m", kShape, module.scheme()).format, format)
        << name;
  }
  LibraryModule central("gptq");
  std::string& zeros = central.parts["m.qzeros"].data;
  zeros.assign(zeros.size(), '\x77');
  EXPECT_EQ(quantized_weight(central.files(), "m", kShape, central.scheme()).format,
            WeightFormat::kQ4_0);
}

TEST(QuantizedWeights, FaultsNameTheTensorWhatWasFoundAndWhatIsExpected) {
  using Parts = std::map<std::string, LibraryModule::Part>;
  const struct {
    const char* module;
    std::function<void(Parts&)> damage;
    const char *tensor, *words;
  } cases[] = {
      {"awq_32", [](Parts& p) { p.erase("m.scales"); }, "m.scales", "[2, 32] is missing"},
      {"awq_32", [](Parts& p) { p["m.qzeros"].shape = {1, 8}; }, "m.qzeros",
       "expected shape [2, 4], found [1, 8]"},
      {"awq_32", [](Parts& p) { p["m.qweight"].shape = {32, 8}; }, "m.qweight",
       "expected shape [64, 4], found [32, 8]"},
      {"awq_32", [](Parts& p) { p["m.scales"].type = "I16"; }, "m.scales",
       "expected F32, F16 or BF16, found I16"},
      {"gptq", [](Parts& p) { p["m.qweight"].type = "F32"; }, "m.qweight",
       "expected I32, found F32"},
      {"gptq_act_order", [](Parts& p) { p.erase("m.g_idx"); }, "m.g_idx", "[64] is missing"},
      {"gptq", [](Parts& p) { p["m.g_idx"].data[4 * 63] = 2; }, "m.g_idx",
       "expected groups from 0 to 1, found 2"},
      {"gptq", [](Parts& p) { p["m.g_idx"].data.replace(8, 4, "\xff\xff\xff\xff"); }, "m.g_idx",
       "found -1"},
      {"packed_4", [](Parts& p) { p["m.weight_shape"].data[8] = 63; }, "m.weight_shape",
       "expected [32, 64], found [32, 63]"},
      {"packed_4_asymmetric", [](Parts& p) { p.erase("m.weight_zero_point"); },
       "m.weight_zero_point", "[32, 4] is missing"},
      {"float8_channel", [](Parts& p) { p["m.weight"].type = "F8_E5M2"; }, "m.weight",
       "expected F8_E4M3, found F8_E5M2"},
      {"float8_block", [](Parts& p) { p.erase("m.weight_scale"); }, "m.weight_scale",
       "[2, 2] is missing"}};
  for (const auto& c : cases) {
    LibraryModule module(c.module);
    c.damage(module.parts);
    EXPECT_THAT(refusal([&] { quantized_weight(module.files(), "m", kShape, module.scheme()); }),
                AllOf(HasSubstr(std::string("tensor \"") + c.tensor), HasSubstr(c.words)))
        << c.module;
  }
}

TEST(QuantizedWeights, ColumnsMustBeWholeGroups) {
  LibraryModule module("awq_32");
  module.config["quantization_config"]["group_size"] = 48;
  EXPECT_THAT(refusal([&] { quantized_weight(module.files(), "m", kShape, module.scheme()); }),
              HasSubstr("\"m.qweight\": 64 columns, expected a multiple of the group size 48"));
}

TEST(QuantizedWeights, StaticActivationsWantTheirScale) {
  LibraryModule module("float8_tensor");
  module.config["quantization_config"]["config_groups"]["group_0"]["input_activations"] = {
      {"dynamic", false}};
  EXPECT_THAT(refusal([&] { quantized_weight(module.files(), "m", kShape, module.scheme()); }),
              HasSubstr("\"m.input_scale\" of shape [1] is missing"));
  module.parts["m.input_scale"] = {"F32", {}, std::string(4, '\0')};
  EXPECT_NO_THROW(quantized_weight(module.files(), "m", kShape, module.scheme()));
}

TEST(QuantizedWeights, WhatIsNotFiniteIsNamed) {
  LibraryModule scales("packed_4");
  scales.parts["m.weight_scale"].data.replace(4, 2, "\x80\x7f");
  EXPECT_EQ(quantized_weight(scales.files(), "m", kShape, scales.scheme()).quantized->non_finite(),
            "m.weight_scale");
  LibraryModule codes("float8_tensor");
  codes.parts["m.weight"].data[100] = '\xff';
  EXPECT_EQ(quantized_weight(codes.files(), "m", kShape, codes.scheme()).quantized->non_finite(),
            "m.weight");
}

// A zero point of an old compressed-tensors is a byte, not packed.
TEST(QuantizedWeights, ZeroPointsMayBeBytes) {
  LibraryModule module("packed_4_asymmetric_channel");
  const SafetensorsCheckpoint files = module.files();
  LibraryModule::Part& zeros = module.parts["m.weight_zero_point"];
  std::string bytes;
  for (int64_t r = 0; r < kShape[0]; ++r)
    bytes += static_cast<char>(((zeros.data[r / 2] >> (4 * (r % 2))) & 15) - 8);
  zeros = {"I8", {kShape[0], 1}, bytes};
  EXPECT_EQ(all_rows(quantized_weight(module.files(), "m", kShape, module.scheme()), 1),
            module.weights);
}

TEST(QuantizedWeights, PartsBelongToModules) {
  EXPECT_EQ(module_of_part("a.b.qweight"), "a.b");
  EXPECT_EQ(module_of_part("a.b.weight_scale_inv"), "a.b");
  EXPECT_EQ(module_of_part("a.b.bias"), "");
  EXPECT_EQ(module_of_part("qweight"), "");
}

}  // namespace
}  // namespace ember
