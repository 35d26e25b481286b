// SPDX-License-Identifier: Apache-2.0
#include "ember/backend/cpu/cpu_backend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "backend/cpu/kernel_cases.h"
#include "backend/cpu/quantized_cases.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

WeightView float_weights(const std::vector<float>& values, int64_t rows, int64_t columns) {
  return weight_view(Tensor(const_cast<float*>(values.data()), DType::kF32, {rows, columns}));
}

TEST(CpuBackend, ResultsDoNotDependOnThreads) {
  const std::vector<float> weights = cpu::random_floats(200 * 96, 1),
                           input = cpu::random_floats(40 * 96, 2);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = threads});
    const WeightView weight = float_weights(weights, 200, 96);
    const Linear linear = backend->make_linear(std::span(&weight, 1), {}, {});
    const Tensor x = backend->allocate(DType::kF32, {40, 96}),
                 y = backend->allocate(DType::kF32, {40, 200});
    backend->write(x, input.data(), input.size() * sizeof(float));
    backend->linear(y, x, linear);
    backend->wait();
    results.emplace_back(y.as<float>(), y.as<float>() + y.elements());
    std::vector<int32_t> ids = {7, 199};
    const Tensor row = backend->allocate(DType::kF32, {2, 96});
    backend->embed(row, linear, Tensor(ids.data(), DType::kI32, {2}));
    EXPECT_EQ(std::vector<float>(row.as<float>(), row.as<float>() + 96),
              std::vector<float>(weights.begin() + 7 * 96, weights.begin() + 8 * 96));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(CpuBackend, PlansTheMemoryOfItsThreadsAndOfSplitInputs) {
  const StepLimits limits{.max_tokens = 64,
                          .vocab_size = 1000,
                          .max_in_features = 4096,
                          .attention = {{.num_heads = 4, .num_kv_heads = 2, .head_dim = 64}}};
  StepLimits narrow = limits;
  narrow.max_in_features = 2048;
  for (const cpu::Isa isa : cpu::available_isas()) {
    const auto bytes = [&](int threads, const StepLimits& l) {
      return make_cpu_backend({.num_threads = threads, .isa = cpu::name_of(isa)})->step_bytes(l);
    };
    const size_t of_thread = bytes(2, limits) - bytes(1, limits);
    EXPECT_GT(of_thread, 12u * 1000)
        << name_of(isa) << ": candidates, counts and a copy of the logits";
    EXPECT_EQ(bytes(3, limits) - bytes(2, limits), of_thread) << name_of(isa);
    const size_t prepared = 512 * (2048 * 2 + 2048 / 32 * 16);
    EXPECT_EQ(bytes(1, limits) - bytes(1, narrow),
              prepared + (isa == cpu::Isa::kAmx ? 2048u * 3 * 512 * 2 : 0u))
        << name_of(isa) << ": 512 rows in integers, and in three parts";
  }
}

TEST(CpuBackend, ATokenOfTheStepBeforeIsEmbeddedAndPenalizedByItsRow) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 2, .max_in_flight = 2});
  std::vector<float> weights = {0, 10, 20, 30}, logits = {1, 2, 3, 0, 9, 2, 8, 0};
  const WeightView weight = float_weights(weights, 4, 1);
  const Linear table = backend->make_linear(std::span(&weight, 1), {}, {});
  const SamplingParams greedy{.temperature = 0, .frequency_penalty = 5};
  const auto step = [&](std::vector<float> values, std::vector<SamplingRow> rows) {
    std::vector<SampledToken> out(rows.size());
    for (SamplingRow& row : rows) row.params = &greedy;
    backend->sample(Tensor(values.data(), DType::kF32, {static_cast<int64_t>(rows.size()), 4}),
                    rows, out);
    backend->wait();
    return out;
  };
  const std::vector<SampledToken> first = step(logits, {{}, {}});
  EXPECT_EQ(first[0].token, 2);
  EXPECT_EQ(first[1].token, 0);
  std::vector<int32_t> ids = {-1, -2, 3};
  const Tensor y = backend->allocate(DType::kF32, {3, 1});
  backend->embed(y, table, Tensor(ids.data(), DType::kI32, {3}));
  EXPECT_EQ(std::vector<float>(y.as<float>(), y.as<float>() + 3), (std::vector<float>{20, 0, 30}));
  const std::vector<SampledToken> second = step(logits, {{.pending = 1}, {.pending = 1}});
  EXPECT_EQ(second[0].token, 2);
  EXPECT_EQ(second[1].token, 2) << "token 0 was chosen by row 1 and is 5 less likely now";
  const std::vector<SampledToken> third = step({NAN, 0, 0, 0}, {{}});
  EXPECT_EQ(third[0].token, -1);
  backend->embed(y.rows(1), table, Tensor(ids.data(), DType::kI32, {1}));
  EXPECT_EQ(y.as<float>()[0], 0) << "no token has no embedding";
}

TEST(CpuBackend, LinearAddNormHasTheBitsOfItsParts) {
  const std::vector<float> weights = cpu::random_floats(70 * 33, 3),
                           input = cpu::random_floats(9 * 33, 4),
                           start = cpu::random_floats(9 * 70, 5);
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 2});
  const WeightView weight = float_weights(weights, 70, 33);
  const Linear w = backend->make_linear(std::span(&weight, 1), {}, {});
  const Tensor x = backend->allocate(DType::kF32, {9, 33}),
               y = backend->allocate(DType::kF32, {9, 70}),
               sum = backend->allocate(DType::kF32, {9, 70}),
               normed = backend->allocate(DType::kF32, {9, 70}),
               expected = backend->allocate(DType::kF32, {9, 70}),
               norm = backend->allocate(DType::kF32, {70});
  for (int64_t i = 0; i < 70; ++i) norm.as<float>()[i] = static_cast<float>(i) * 0.25f - 3.0f;
  backend->write(x, input.data(), input.size() * sizeof(float));
  backend->write(sum, start.data(), start.size() * sizeof(float));
  backend->linear(y, x, w);
  backend->linear_add_norm(normed, sum, x, w, norm, 1e-5f);
  for (size_t i = 0; i < start.size(); ++i)
    ASSERT_EQ(sum.as<float>()[i], start[i] + y.as<float>()[i]) << i;
  backend->rms_norm(expected, sum, norm, 1e-5f);
  for (size_t i = 0; i < start.size(); ++i)
    ASSERT_EQ(normed.as<float>()[i], expected.as<float>()[i]) << i;
}

TEST(CpuBackend, AMatrixHasTheScaleThatItIsUsedWith) {
  const std::vector<float> weights = cpu::random_floats(70 * 33, 3),
                           input = cpu::random_floats(9 * 33, 4), bias = cpu::random_floats(70, 5);
  for (const cpu::Isa isa : cpu::available_isas())
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      SCOPED_TRACE(testing::Message() << cpu::name_of(isa) << " " << name_of(dtype));
      const std::unique_ptr<Backend> backend =
          make_cpu_backend({.num_threads = 2, .isa = cpu::name_of(isa)});
      std::vector<uint16_t> halves;
      for (const float v : weights) halves.push_back(float_to_bf16(v));
      const WeightView weight = dtype == DType::kF32
                                    ? float_weights(weights, 70, 33)
                                    : weight_view(Tensor(halves.data(), DType::kBF16, {70, 33}));
      const Tensor biases = Tensor(const_cast<float*>(bias.data()), DType::kF32, {70});
      Linear w = backend->make_linear(std::span(&weight, 1), std::span(&biases, 1), {});
      const auto rows = [&](int64_t columns) {
        return backend->allocate(DType::kF32, {9, columns});
      };
      const Tensor x = rows(33), plain = rows(70), scaled = rows(70), sum = rows(70);
      backend->write(x, input.data(), input.size() * sizeof(float));
      backend->linear(plain, x, w);
      std::vector<int32_t> ids = {7};
      const Tensor id(ids.data(), DType::kI32, {1});
      backend->embed(x.rows(1), w, id);
      const std::vector<float> row(x.as<float>(), x.as<float>() + 33);
      backend->write(x, input.data(), input.size() * sizeof(float));
      w.scale = 0.3f;
      backend->linear(scaled, x, w);
      backend->linear_add_norm(rows(70), sum, x, w, backend->allocate(DType::kF32, {70}), 1e-5f);
      for (int64_t i = 0; i < plain.elements(); ++i) {
        ASSERT_EQ(scaled.as<float>()[i], 0.3f * plain.as<float>()[i]) << i;
        ASSERT_EQ(sum.as<float>()[i], scaled.as<float>()[i]) << i;
      }
      backend->embed(x.rows(1), w, id);
      for (size_t i = 0; i < 33; ++i) ASSERT_EQ(x.as<float>()[i], 0.3f * row[i]) << i;
    }
}

TEST(CpuBackend, NoWeightsAreNoNorm) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 2});
  const std::vector<float> input = cpu::random_floats(9 * 33, 4),
                           start = cpu::random_floats(9 * 33, 5);
  const auto rows = [&](const std::vector<float>& values) {
    const Tensor made = backend->allocate(DType::kF32, {9, 33});
    backend->write(made, values.data(), values.size() * sizeof(float));
    return made;
  };
  const Tensor x = rows(input), residual = rows(start), y = rows(start);
  backend->rms_norm(y, x, {}, 1e-5f);
  for (size_t i = 0; i < input.size(); ++i) ASSERT_EQ(y.as<float>()[i], input[i]);
  backend->add_rms_norm(x, residual, x, {}, 1e-5f);
  for (size_t i = 0; i < input.size(); ++i) {
    ASSERT_EQ(residual.as<float>()[i], start[i] + input[i]);
    ASSERT_EQ(x.as<float>()[i], residual.as<float>()[i]);
  }
}

TEST(CpuBackend, GatesAndCaps) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 2});
  const std::vector<float> weights = cpu::random_floats(8 * 3, 3), input = {1, -2, 0.5f};
  const WeightView weight = float_weights(weights, 8, 3);
  const Linear w = backend->make_linear(std::span(&weight, 1), {}, {}, true);
  const auto row = [&](int64_t columns) { return backend->allocate(DType::kF32, {1, columns}); };
  const Tensor x = row(3), y = row(4), scratch = row(8), all = row(8);
  backend->write(x, input.data(), input.size() * sizeof(float));
  backend->linear(all, x, w);
  for (const Gate gate : {Gate::kSilu, Gate::kGeluTanh}) {
    backend->linear_gated(y, x, w, scratch, gate);
    for (int i = 0; i < 4; ++i) {
      const double g = all.as<float>()[i], up = all.as<float>()[i + 4],
                   u = std::sqrt(2 / std::numbers::pi) * (g + 0.044715 * g * g * g);
      const double opened =
          gate == Gate::kSilu ? g / (1 + std::exp(-g)) : g / 2 * (1 + std::tanh(u));
      EXPECT_NEAR(y.as<float>()[i], opened * up, 1e-5);
    }
  }
  const std::vector<float> before(all.as<float>(), all.as<float>() + 8);
  backend->softcap(all, 0.7f);
  for (size_t i = 0; i < 8; ++i)
    EXPECT_NEAR(all.as<float>()[i], 0.7 * std::tanh(double{before[i]} / 0.7), 1e-6);
}

// That it keeps its word is in the test below: one row alone has the bits it has among 1,100.
TEST(CpuBackend, RowsDependOnThemselvesAlone) {
  EXPECT_TRUE(make_cpu_backend({.num_threads = 1})->row_invariance().exact());
}

TEST(CpuBackend, EveryInstructionSetOfTheMachineGivesTheSameUpToRounding) {
  const int64_t rows = 1100, in = 40, out = 70;  // more rows than are multiplied at once
  const std::vector<float> input = cpu::random_floats(static_cast<size_t>(rows * in), 1);
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    const cpu::Matrix m(dtype, out, in, 2);
    std::vector<uint16_t> halves;
    for (const float v : m.values)
      halves.push_back(dtype == DType::kF16 ? float_to_f16(v) : float_to_bf16(v));
    for (const cpu::Isa isa : cpu::available_isas()) {
      const std::unique_ptr<Backend> backend =
          make_cpu_backend({.num_threads = 2, .isa = cpu::name_of(isa)});
      SCOPED_TRACE(backend->describe() + " " + name_of(dtype));
      EXPECT_NE(backend->describe().find(cpu::name_of(isa)), std::string::npos);
      void* data = halves.data();
      if (dtype == DType::kF32) data = const_cast<float*>(m.values.data());
      const WeightView weight = weight_view(Tensor(data, dtype, {out, in}));
      const Linear linear = backend->make_linear(std::span(&weight, 1), {}, {});
      const Tensor x = backend->allocate(DType::kF32, {rows, in}),
                   y = backend->allocate(DType::kF32, {rows, out});
      const Tensor one = backend->allocate(DType::kF32, {1, out});
      backend->write(x, input.data(), input.size() * sizeof(float));
      backend->linear(y, x, linear);
      const Tensor sum = backend->allocate(DType::kF32, {rows, out});
      std::fill_n(sum.as<float>(), sum.elements(), 3.0f);
      const Tensor normed = backend->allocate(DType::kF32, {rows, out}),
                   norm = backend->allocate(DType::kF32, {out});
      backend->linear_add_norm(normed, sum, x, linear, norm, 1e-5f);
      for (int64_t i = 0; i < sum.elements(); ++i)
        ASSERT_EQ(sum.as<float>()[i], 3.0f + y.as<float>()[i]);
      cpu::check_products(m, input, {}, rows, {y.as<float>(), y.as<float>() + y.elements()});
      for (const int64_t r : {int64_t{0}, int64_t{511}, int64_t{512}, int64_t{700}, rows - 1}) {
        Tensor row = x.rows(1);
        row.data = x.as<float>() + r * in;
        backend->linear(one, row, linear);
        const float* expected = y.as<float>() + r * out;
        ASSERT_EQ(std::vector<float>(one.as<float>(), one.as<float>() + out),
                  std::vector<float>(expected, expected + out));
      }
    }
  }
}

// q, k and v of one layer, say.
TEST(CpuBackend, AStackOfSeveralTypesIsTheProductsOfItsPartsBitForBit) {
  const int64_t in = 70, outs[] = {97, 33, 40};
  const DType dtypes[] = {DType::kF32, DType::kF16, DType::kBF16};
  std::vector<std::vector<float>> floats;
  std::vector<std::vector<uint16_t>> halves(3);
  std::vector<WeightView> parts;
  std::vector<Tensor> biases;
  std::vector<float> bias = cpu::random_floats(97, 9);
  for (size_t i = 0; i < 3; ++i) {
    floats.push_back(cpu::random_floats(static_cast<size_t>(outs[i] * in), i + 1));
    for (const float v : floats[i])
      halves[i].push_back(dtypes[i] == DType::kF16 ? float_to_f16(v) : float_to_bf16(v));
    void* data = halves[i].data();
    if (i == 0) data = floats[i].data();
    parts.push_back(weight_view(Tensor(data, dtypes[i], {outs[i], in})));
    biases.push_back(i == 1 ? Tensor() : Tensor(bias.data(), DType::kF32, {outs[i]}));
  }
  for (const cpu::Isa isa : cpu::available_isas()) {
    const std::unique_ptr<Backend> backend =
        make_cpu_backend({.num_threads = 2, .isa = cpu::name_of(isa)});
    const Linear stack = backend->make_linear(parts, biases, {});
    ASSERT_EQ(stack.out_features, 170);
    for (const int64_t rows : {1, 7, 600}) {
      SCOPED_TRACE(testing::Message() << cpu::name_of(isa) << ", " << rows << " rows");
      const std::vector<float> input = cpu::random_floats(static_cast<size_t>(rows * in), 5);
      const Tensor x = backend->allocate(DType::kF32, {rows, in}),
                   y = backend->allocate(DType::kF32, {rows, 170});
      backend->write(x, input.data(), input.size() * sizeof(float));
      std::fill_n(y.as<float>(), y.elements(), 2.0f);
      const Tensor norm = backend->allocate(DType::kF32, {170}),
                   normed = backend->allocate(DType::kF32, {rows, 170});
      backend->linear_add_norm(normed, y, x, stack, norm, 1e-5f);
      int64_t first = 0;
      for (size_t i = 0; i < 3; ++i) {
        const Linear alone =
            backend->make_linear(std::span(&parts[i], 1), std::span(&biases[i], 1), {});
        const Tensor one = backend->allocate(DType::kF32, {rows, outs[i]}),
                     normed_one = backend->allocate(DType::kF32, {rows, outs[i]});
        std::fill_n(one.as<float>(), one.elements(), 2.0f);
        backend->linear_add_norm(normed_one, one, x, alone, norm, 1e-5f);
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t n = 0; n < outs[i]; ++n)
            ASSERT_EQ(y.as<float>()[r * 170 + first + n], one.as<float>()[r * outs[i] + n])
                << r << " " << first + n;
        first += outs[i];
      }
    }
    std::vector<int32_t> ids = {96, 97, 169};
    const Tensor rows = backend->allocate(DType::kF32, {3, in});
    backend->embed(rows, stack, Tensor(ids.data(), DType::kI32, {3}));
    EXPECT_EQ(rows.as<float>()[0], floats[0][static_cast<size_t>(96 * in)]);
    EXPECT_EQ(rows.as<float>()[in], f16_to_float(halves[1][0]));
    EXPECT_EQ(rows.as<float>()[2 * in], bf16_to_float(halves[2][static_cast<size_t>(39 * in)]));
  }
}

// As q, k and v of a file are whose types change within a layer; also with plain weights among
// them.
TEST(CpuBackend, AStackOfBlocksAndNumbersIsTheProductsOfItsPartsForAnyRowsAndThreads) {
  std::mt19937_64 random(1);
  const int64_t in = 512, outs[] = {97, 33, 40, 20}, most = 600;
  const WeightFormat formats[] = {WeightFormat::kQ4_K, WeightFormat::kQ6_K, WeightFormat::kF32,
                                  WeightFormat::kQ8_0};
  std::vector<std::vector<std::byte>> bytes;
  const std::vector<float> floats = cpu::random_floats(static_cast<size_t>(40 * in), 3),
                           bias = cpu::random_floats(97, 4),
                           input = cpu::random_floats(static_cast<size_t>(most * in), 5);
  std::vector<WeightView> parts;
  std::vector<Tensor> biases;
  for (size_t i = 0; i < 4; ++i) {
    bytes.push_back(formats[i] == WeightFormat::kF32
                        ? std::vector<std::byte>()
                        : cpu::random_blocks(formats[i], outs[i], in, random));
    const auto* data = i == 2 ? reinterpret_cast<const std::byte*>(floats.data()) : bytes[i].data();
    parts.push_back({{formats[i], outs[i], in}, data, row_bytes(formats[i], in)});
    biases.emplace_back(const_cast<float*>(bias.data()), DType::kF32,
                        std::initializer_list<int64_t>{outs[i]});
  }
  std::vector<float> first;  // of the first instruction set: those that are one chain are equal
  for (const cpu::Isa isa : cpu::available_isas())
    for (const int threads : {1, 2}) {
      const std::unique_ptr<Backend> backend =
          make_cpu_backend({.num_threads = threads, .isa = cpu::name_of(isa)});
      Linear stack = backend->make_linear(parts, biases, {});
      stack.scale = 0.5f;
      ASSERT_EQ(stack.out_features, 190);
      const Tensor x = backend->allocate(DType::kF32, {most, in}),
                   y = backend->allocate(DType::kF32, {most, 190}),
                   one = backend->allocate(DType::kF32, {1, 190});
      backend->write(x, input.data(), input.size() * sizeof(float));
      backend->linear(y, x, stack);
      const std::vector<float> all(y.as<float>(), y.as<float>() + y.elements());
      if (first.empty()) first = all;
      EXPECT_TRUE(all == first) << cpu::name_of(isa) << ", " << threads << " threads";
      for (const int64_t r : {0, 1, 511, 512, 599}) {
        Tensor row = x.rows(1);
        row.data = x.as<float>() + r * in;
        backend->linear(one, row, stack);
        ASSERT_TRUE(std::equal(one.as<float>(), one.as<float>() + 190, all.begin() + r * 190)) << r;
      }
      int64_t column = 0;
      for (size_t i = 0; i < 4; column += outs[i++]) {
        Linear alone = backend->make_linear(std::span(&parts[i], 1), std::span(&biases[i], 1), {});
        alone.scale = 0.5f;
        const Tensor part = backend->allocate(DType::kF32, {most, outs[i]});
        backend->linear(part, x, alone);
        for (int64_t r = 0; r < most; ++r)
          for (int64_t n = 0; n < outs[i]; ++n)
            ASSERT_EQ(all[static_cast<size_t>(r * 190 + column + n)],
                      part.as<float>()[r * outs[i] + n]);
      }
    }
}

TEST(CpuBackend, TakesBlocksUnlessActivationsAreToStayFloats) {
  for (const auto activations :
       {CpuActivations::kInt16, CpuActivations::kInt8, CpuActivations::kFloat}) {
    const auto backend = make_cpu_backend({.num_threads = 1, .activations = activations});
    EXPECT_TRUE(backend->takes(WeightFormat::kBF16));
    EXPECT_EQ(backend->takes(WeightFormat::kQ6_K), activations != CpuActivations::kFloat);
    EXPECT_FALSE(backend->takes(WeightFormat::kQ2_K));
  }
}

TEST(CpuBackend, RefusesAnUnknownInstructionSet) {
  EXPECT_THROW(make_cpu_backend({.isa = "sse"}), StartError);
}

}  // namespace
}  // namespace ember
