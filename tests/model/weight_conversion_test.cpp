// SPDX-License-Identifier: Apache-2.0
#include "weight_conversion.h"

#include <gmock/gmock.h>

#include <random>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/model/dequantize.h"
#include "model/gguf_writer.h"
#include "model/quantized_modules.h"
#include "quantized_weights.h"

namespace ember {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

StoredTensor stored(WeightFormat format, std::vector<int64_t> shape, const std::string& bytes) {
  return {.type = name_of(format),
          .format = format,
          .shape = std::move(shape),
          .data = bytes.data(),
          .bytes = bytes.size(),
          .file = "a.gguf"};
}

std::vector<float> floats_of(const WeightView& view) {
  std::vector<float> floats(static_cast<size_t>(view.rows * view.columns));
  for (int64_t r = 0; r < view.rows; ++r)
    dequantize(view.format, view.row(r), view.columns, floats.data() + r * view.columns);
  return floats;
}

TEST(WeightConversion, WhatIsAsItShouldBeIsNotCopied) {
  const std::string bytes = test::stored_as(WeightFormat::kBF16, {1, 2, 3, 4});
  std::vector<uint8_t> storage;
  const WeightView view =
      convert_weights(stored(WeightFormat::kBF16, {2, 2}, bytes), {}, WeightFormat::kBF16, storage);
  EXPECT_EQ(static_cast<const void*>(view.data), bytes.data());
  EXPECT_TRUE(storage.empty());
}

TEST(WeightConversion, BlocksBecomeNumbers) {
  std::vector<float> values(64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) - 20;
  const std::string bytes = test::stored_as(WeightFormat::kQ8_0, values);
  std::vector<float> exact(64);
  dequantize(WeightFormat::kQ8_0, reinterpret_cast<const std::byte*>(bytes.data()), 64,
             exact.data());
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    std::vector<uint8_t> storage;
    const std::vector<float> made = floats_of(convert_weights(
        stored(WeightFormat::kQ8_0, {1, 64}, bytes), {}, format_of(dtype), storage));
    for (size_t i = 0; i < made.size(); ++i) {
      const float expected = dtype == DType::kF32   ? exact[i]
                             : dtype == DType::kF16 ? f16_to_float(float_to_f16(exact[i]))
                                                    : bf16_to_float(float_to_bf16(exact[i]));
      ASSERT_EQ(made[i], expected) << name_of(dtype) << " " << i;
    }
  }
  EXPECT_EQ(default_dtype(WeightFormat::kQ8_0, DType::kBF16), DType::kF16);
  EXPECT_EQ(default_dtype(WeightFormat::kBF16, DType::kF16), DType::kBF16);
  EXPECT_EQ(default_dtype(WeightFormat::kInt4, DType::kBF16), DType::kF16);
  EXPECT_EQ(default_dtype(WeightFormat::kF8E4M3, DType::kBF16), DType::kBF16);
}

// What README.md says: no more than that, and no less.
TEST(WeightConversion, RoundingTo16BitsCostsNoMoreThanIsSaid) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> exponent(-14, 15);
  std::vector<float> values(1 << 14);
  for (float& value : values) value = (random() % 2 == 0 ? -1 : 1) * std::exp2(exponent(random));
  const std::string bytes = test::stored_as(WeightFormat::kF32, values);
  for (const auto& [format, bound] :
       {std::pair(WeightFormat::kF16, 0x1p-11), std::pair(WeightFormat::kBF16, 0x1p-8)}) {
    std::vector<uint8_t> storage;
    const std::vector<float> made = floats_of(
        convert_weights(stored(WeightFormat::kF32, {1, 1 << 14}, bytes), {}, format, storage));
    double worst = 0;
    for (size_t i = 0; i < values.size(); ++i)
      worst = std::max(worst, std::abs((double{made[i]} - values[i]) / values[i]));
    EXPECT_LE(worst, bound) << name_of(format);
    EXPECT_GT(worst, 0.9 * bound) << name_of(format);
  }
}

TEST(WeightConversion, BlocksStayWhereTheBackendTakesThemAndNothingElseIsAskedFor) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
  EXPECT_EQ(loaded_format(WeightFormat::kQ4_K, DType::kF32, {}, *backend), WeightFormat::kQ4_K);
  EXPECT_EQ(loaded_format(WeightFormat::kQ4_K, DType::kF32, DType::kBF16, *backend),
            WeightFormat::kBF16);
  EXPECT_EQ(loaded_format(WeightFormat::kQ2_K, DType::kF32, {}, *backend), WeightFormat::kF16);
  EXPECT_EQ(loaded_format(WeightFormat::kF32, DType::kF32, {}, *backend), WeightFormat::kF32);
}

TEST(WeightConversion, RowsOfBlocksAreBroughtBackIntoOrderAsTheyAre) {
  TensorSpec spec;
  spec.paired_rows = 4;
  std::string bytes;
  for (char row = 0; row < 8; ++row) bytes += std::string(34, row);
  std::vector<uint8_t> storage;
  const WeightView view = convert_weights(stored(WeightFormat::kQ8_0, {8, 32}, bytes), spec,
                                          WeightFormat::kQ8_0, storage);
  EXPECT_EQ(view.format, WeightFormat::kQ8_0);
  const int order[] = {0, 2, 1, 3, 4, 6, 5, 7};
  for (int64_t r = 0; r < 8; ++r)
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(view.row(r)), 34),
              std::string(34, static_cast<char>(order[r])));
}

TEST(WeightConversion, PairedRowsAreBroughtBackIntoOrder) {
  TensorSpec spec;
  spec.paired_rows = 4;  // two heads
  const std::string bytes = test::stored_as(WeightFormat::kF32, {0, 1, 2, 3, 4, 5, 6, 7});
  std::vector<uint8_t> storage;
  EXPECT_THAT(floats_of(convert_weights(stored(WeightFormat::kF32, {8, 1}, bytes), spec,
                                        WeightFormat::kF32, storage)),
              ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  std::vector<uint8_t> of_bias;
  EXPECT_THAT(floats_of(convert_weights(stored(WeightFormat::kF32, {8}, bytes), spec,
                                        WeightFormat::kF32, of_bias)),
              ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
}

// Large enough for several threads.
TEST(WeightConversion, ManyRowsAreAllConverted) {
  constexpr int64_t kRows = 1501, kColumns = 1024;
  std::vector<float> values(kRows * kColumns);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 8191);
  const std::string bytes = test::stored_as(WeightFormat::kF32, values);
  std::vector<uint8_t> storage;
  const auto from = stored(WeightFormat::kF32, {kRows, kColumns}, bytes);
  const std::vector<float> made = floats_of(convert_weights(from, {}, WeightFormat::kF16, storage));
  for (size_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(made[i], f16_to_float(float_to_f16(values[i]))) << i;
}

TEST(WeightConversion, ANumberThatIsTooLargeIsNamed) {
  TensorSpec spec;
  spec.name = "blk.0.ffn_up.weight";
  std::vector<float> values(3 * 1024 * 512, 1.0f);
  values[values.size() - 5] = 70000;
  const std::string bytes = test::stored_as(WeightFormat::kF32, values);
  std::vector<uint8_t> storage;
  const auto from = stored(WeightFormat::kF32, {3 * 512, 1024}, bytes);
  EXPECT_THAT(
      refusal([&] { convert_weights(from, spec, WeightFormat::kF16, storage); }),
      HasSubstr("a.gguf: tensor \"blk.0.ffn_up.weight\" holds 70000, too large for float16; "
                "--dtype bfloat16 takes it"));
  EXPECT_NO_THROW(convert_weights(from, spec, WeightFormat::kBF16, storage));
}

TEST(WeightConversion, AScaleThatIsTooLargeForBlocksIsNamedAsOne) {
  LibraryModule module("packed_4_channel");
  module.parts["m.weight_scale"].data.replace(2, 2, "\x80\x47");  // 65536 in bfloat16
  const SafetensorsCheckpoint files = module.files();
  const int64_t shape[] = {LibraryModule::kRows, LibraryModule::kColumns};
  const StoredTensor from = quantized_weight(files, "m", shape, module.scheme());
  ASSERT_EQ(from.format, WeightFormat::kQ4_0);
  TensorSpec spec;
  spec.name = "m.weight";
  std::vector<uint8_t> storage;
  EXPECT_THAT(refusal([&] { convert_weights(from, spec, *from.format, storage); }),
              HasSubstr("tensor \"m.weight\" holds a scale or minimum of 65536, too large for the "
                        "float16 of blocks; --dtype bfloat16 takes it"));
  EXPECT_NO_THROW(convert_weights(from, spec, WeightFormat::kBF16, storage));
}

}  // namespace
}  // namespace ember
