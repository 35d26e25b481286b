// SPDX-License-Identifier: Apache-2.0
// How close the CPU's matrix kernels come to what the machine can do, as ratios within one run:
//   one row:   bytes of weights per second, against reading memory;
//   many rows: multiply-adds per second, against registers alone. With AMX a product of floats is
//   three of bfloat16 (six where
//              the weights are float16), so a third (a sixth) is what could be reached.
// Each repetition measures the limit and the product in turn. Prints one JSON line per case; ratios
// are lowest, median, highest.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/probes.h"
#include "cpu/memory.h"
#include "ember/backend/cpu/cpu_backend.h"

namespace ember {
namespace {

constexpr int kRepetitions = 9;
constexpr size_t kMemory = size_t{1} << 30;
constexpr int64_t kOut = 8192, kIn = 2048;

void print(const Backend& backend, const char* dtype, int64_t rows, const char* against,
           const std::vector<double>& rates, const std::vector<double>& ratios) {
  const Spread rate = spread(rates), ratio = spread(ratios);
  std::printf(
      "{\"device\": \"%s\", \"weights\": \"%s\", \"rows\": %ld, \"out\": %ld, \"in\": %ld, "
      "\"giga_per_s\": %.1f, \"of\": \"%s\", "
      "\"ratio\": [%.2f, %.2f, %.2f]}\n",
      backend.describe().c_str(), dtype, rows, kOut, kIn, rate.median / 1e9, against, ratio.low,
      ratio.median, ratio.high);
  std::fflush(stdout);
}

// Several matrices in turn, so that they come from memory.
void bench_rows(const std::string& isa, DType dtype, int64_t rows, cpu::ThreadPool& pool,
                std::span<const uint64_t> memory) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.isa = isa});
  std::vector<uint16_t> host(static_cast<size_t>(kOut * kIn));
  for (size_t i = 0; i < host.size(); ++i)
    host[i] =
        static_cast<uint16_t>((dtype == DType::kF16 ? 0x2c00 : 0x3d80) + i * 2654435761u % 64);
  const WeightView weight = weight_view(Tensor(host.data(), dtype, {kOut, kIn}));
  std::vector<Linear> matrices;
  for (int i = 0; i < (rows == 1 ? 32 : 1); ++i)
    matrices.push_back(backend->make_linear(std::span(&weight, 1), {}, {}));
  const Tensor x = backend->allocate(DType::kF32, {rows, kIn}),
               y = backend->allocate(DType::kF32, {rows, kOut});
  for (int64_t i = 0; i < x.elements(); ++i) x.as<float>()[i] = static_cast<float>(i % 97) * 0.01f;
  std::vector<double> rates, ratios;
  for (int i = 0; i <= kRepetitions; ++i) {
    const double limit =
        rows == 1 ? read_rate(pool, memory) : multiply_rate(pool, cpu::choose_isa(isa));
    const double seconds = seconds_of([&] {
      for (const Linear& matrix : matrices) backend->linear(y, x, matrix);
    });
    const double elements =
        static_cast<double>(rows * kOut * kIn) * static_cast<double>(matrices.size());
    const double rate = (rows == 1 ? 2 * elements : elements) / seconds;
    if (i == 0) continue;  // memory is touched for the first time
    rates.push_back(rate);
    ratios.push_back(rate / limit);
  }
  print(*backend, name_of(dtype), rows,
        rows == 1 ? "memory bandwidth" : "multiply-adds in registers", rates, ratios);
}

// What this machine can do, medians: bytes read from memory and multiply-adds of floats per second.
void print_limits(cpu::ThreadPool& pool, std::span<const uint64_t> memory) {
  const cpu::Isa isa = cpu::available_isas().back() == cpu::Isa::kAmx
                           ? cpu::Isa::kAvx512
                           : cpu::available_isas().back();
  std::vector<double> read, multiplied;
  for (int i = 0; i < kRepetitions; ++i) {
    read.push_back(read_rate(pool, memory));
    multiplied.push_back(multiply_rate(pool, isa));
  }
  std::printf("{\"gb_per_s\": %.2f, \"gmac_per_s\": %.1f}\n", spread(read).median / 1e9,
              spread(multiplied).median / 1e9);
}

void bench(const std::vector<std::string>& arguments) {
  cpu::ThreadPool pool(static_cast<int>(std::thread::hardware_concurrency()));
  cpu::Arena arena;  // in huge pages, as the weights are
  const std::span memory(static_cast<uint64_t*>(arena.allocate(kMemory)),
                         kMemory / sizeof(uint64_t));
  std::fill(memory.begin(), memory.end(), 1);
  if (arguments == std::vector<std::string>{"--limits"}) return print_limits(pool, memory);
  std::vector<std::string> isas = arguments;
  if (isas.empty())
    for (const cpu::Isa isa : cpu::available_isas()) isas.emplace_back(cpu::name_of(isa));
  for (const std::string& isa : isas)
    for (const DType dtype : {DType::kBF16, DType::kF16})
      for (const int64_t rows : {1, 8, 32, 128, 512}) bench_rows(isa, dtype, rows, pool, memory);
}

}  // namespace
}  // namespace ember

// Arguments: instruction sets, none: all that the machine has; or --limits: only what it can do.
int main(int argc, char** argv) { ember::bench({argv + 1, argv + argc}); }
