// SPDX-License-Identifier: Apache-2.0
// Products with quantised weights beside those with plain ones: kernels alone, on one thread, by
// its processor time, so that other work of the machine counts little. Weights come from the
// caches. Prints a line per format and instruction set: for each number of rows 1e9 products per
// second, median and in brackets lowest and highest of seven.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/quantized_kernels.h"
#include "cpu/quantized_linear.h"
#include "ember/base/dtype.h"

namespace ember::cpu {
namespace {

constexpr int kRepetitions = 7;
constexpr int64_t kOut = 2048, kIn = 2048, kPanels = kOut / kBlockOutputs;
constexpr int64_t kRows[] = {1, 4, 8, 16, 64, 512};

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// multiply(rows, x, y) is one product.
template <class Multiply>
void bench(const char* weights, const char* isa, const Multiply& multiply) {
  std::printf("%-10s %-6s", weights, isa);
  for (const int64_t rows : kRows) {
    std::vector<float> x(static_cast<size_t>(rows * kIn)), y(static_cast<size_t>(rows * kOut));
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 2654435761u % 1000) - 500;
    const int64_t times = 1 + 64 / rows;
    std::vector<double> rates;
    for (int i = 0; i <= kRepetitions; ++i) {
      const double begin = thread_seconds();
      for (int64_t t = 0; t < times; ++t) multiply(rows, x.data(), y.data());
      if (i > 0)  // the first warms up
        rates.push_back(static_cast<double>(times * rows * kOut * kIn) /
                        (thread_seconds() - begin) / 1e9);
    }
    std::ranges::sort(rates);
    std::printf("  %ld: %.0f [%.0f, %.0f]", rows, rates[kRepetitions / 2], rates.front(),
                rates.back());
  }
  std::printf("\n");
  std::fflush(stdout);
}

void bench_blocks(WeightFormat format, const char* isa, const QuantizedKernels& kernels) {
  std::mt19937_64 random(1);
  std::vector<std::byte> row(row_bytes(format, kIn));
  for (std::byte& b : row) b = static_cast<std::byte>(random() % 60);  // scales are small, too
  const std::vector<const std::byte*> rows(kBlockOutputs, row.data());
  std::vector<std::byte> panels(panels_bytes(format, kOut, kIn));
  for (int64_t p = 0; p < kPanels; ++p) pack_panel(format, rows, kIn, panels.data(), p);
  const std::string name =
      std::string(name_of(format)) + (kernels.integers == Integers::k8Bits ? " int8" : " int16");
  bench(name.c_str(), isa, [&](int64_t n, const float* x, float* y) {
    static std::vector<int64_t> memory;
    memory.resize(static_cast<size_t>(PreparedRows::bytes(kernels.integers, n, kIn)) / 8 + 1);
    const QuantizedArgs args{.format = format,
                             .panels = panels.data(),
                             .x = PreparedRows::in_memory(kernels.integers, memory.data(), n, kIn),
                             .y = y,
                             .y_stride = kOut,
                             .rows = n,
                             .in = kIn,
                             .out = kOut};
    kernels.prepare(args.x, x, kIn, kIn, 0, n);
    for (int64_t p = 0; p < kPanels; ++p) kernels.multiply(args, p);
  });
}

void bench_numbers(DType dtype, Isa isa) {
  const std::vector<uint16_t> weights(static_cast<size_t>(kOut * kIn), 0x2c00);
  const Kernels& kernels = kernels_of(isa);
  bench(name_of(dtype), name_of(isa), [&](int64_t n, const float* x, float* y) {
    const LinearArgs args{.weights = weights.data(),
                          .dtype = dtype,
                          .x = x,
                          .x_stride = kIn,
                          .y = y,
                          .y_stride = kOut,
                          .rows = n,
                          .in = kIn,
                          .out = kOut};
    for (int64_t task = 0; task < kernels.linear_tasks(args); ++task)
      kernels.linear(args, task, nullptr);
  });
}

void bench_all() {
  for (const WeightFormat format :
       {WeightFormat::kQ4_0, WeightFormat::kQ4_1, WeightFormat::kQ5_0, WeightFormat::kQ5_1,
        WeightFormat::kQ8_0, WeightFormat::kQ4_K, WeightFormat::kQ5_K, WeightFormat::kQ6_K})
    for (const Integers integers : {Integers::k16Bits, Integers::k8Bits}) {
      bench_blocks(format, "avx2", quantized_kernels_of(Isa::kAvx2, integers, false));
      if (!machine_has(Isa::kAvx512)) continue;
      bench_blocks(format, "avx512", quantized_kernels_of(Isa::kAvx512, integers, false));
      if (machine_has_vnni())
        bench_blocks(format, "vnni", quantized_kernels_of(Isa::kAvx512, integers, true));
    }
  for (const DType dtype : {DType::kF16, DType::kBF16})
    for (const Isa isa : {Isa::kAvx2, Isa::kAvx512})
      if (machine_has(isa)) bench_numbers(dtype, isa);
}

}  // namespace
}  // namespace ember::cpu

int main() { ember::cpu::bench_all(); }
