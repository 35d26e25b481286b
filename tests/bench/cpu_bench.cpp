// How close the CPU's matrix kernels come to what the machine can do, as ratios within one run:
//   one row:   bytes of weights per second, against reading memory of the same size;
//   many rows: multiply-adds per second, against registers alone.
// Prints one JSON line per case: best and median of the repetitions.
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "backend/cpu/thread_pool.h"
#include "ember/backend/cpu/cpu_backend.h"

namespace ember {
namespace {

struct Times {
  double best, median;  // seconds
};

Times measure(int repetitions, const std::function<void()>& body) {
  std::vector<double> times;
  for (int i = 0; i < repetitions; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

// Sums up `bytes` of memory on all threads.
Times read_memory(cpu::ThreadPool& pool, const std::vector<uint64_t>& memory) {
  std::vector<uint64_t> sums(64);
  const size_t pieces = 64, size = memory.size() / pieces;
  return measure(9, [&] {
    pool.run(static_cast<int>(pieces), [&](int task, int) {
      uint64_t a = 0, b = 0, c = 0, d = 0;
      const uint64_t* p = memory.data() + static_cast<size_t>(task) * size;
      for (size_t i = 0; i + 4 <= size; i += 4) a += p[i], b += p[i + 1], c += p[i + 2], d += p[i + 3];
      sums[static_cast<size_t>(task)] = a + b + c + d;
    });
  });
}

void bench(const std::string& isa, DType dtype, int64_t out, int64_t in) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.isa = isa});
  cpu::ThreadPool pool(static_cast<int>(std::thread::hardware_concurrency()));
  const std::vector<uint16_t> host(static_cast<size_t>(out * in), dtype == DType::kF16 ? 0x2c00 : 0x3d80);
  const Tensor weight(const_cast<uint16_t*>(host.data()), dtype, {out, in});
  const Linear linear = backend->make_linear(std::span(&weight, 1), {});
  const std::vector<uint64_t> memory(host.size() / 4, 1);
  const double bytes = static_cast<double>(out * in) * 2;
  for (const int64_t rows : {1, 2, 8, 32, 128}) {
    const Tensor x = backend->allocate(DType::kF32, {rows, in}), y = backend->allocate(DType::kF32, {rows, out});
    const Times read = read_memory(pool, memory);
    const Times t = measure(9, [&] { backend->linear(y, x, linear); });
    std::printf("{\"bench\": \"linear\", \"device\": \"%s\", \"dtype\": \"%s\", \"rows\": %ld, \"out\": %ld, \"in\": %ld, \"weights_GB_s\": %.1f, "
                "\"median_GB_s\": %.1f, \"memory_GB_s\": %.1f, \"of_memory\": %.2f, \"GFLOP_s\": %.1f, \"median_GFLOP_s\": %.1f}\n",
                backend->describe().c_str(), name_of(dtype), rows, out, in, bytes / t.best / 1e9, bytes / t.median / 1e9, bytes / read.best / 1e9,
                read.best / t.best, 2 * static_cast<double>(rows * out * in) / t.best / 1e9, 2 * static_cast<double>(rows * out * in) / t.median / 1e9);
  }
}

}  // namespace
}  // namespace ember

int main() {
  for (const char* isa : {"avx2", "avx512"})
    for (const ember::DType dtype : {ember::DType::kF16, ember::DType::kBF16}) ember::bench(isa, dtype, 11008, 4096);
}
