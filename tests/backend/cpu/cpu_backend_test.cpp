#include "ember/backend/cpu/cpu_backend.h"

#include <gtest/gtest.h>

#include "backend/cpu/kernel_cases.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

TEST(CpuBackend, ResultsDoNotDependOnThreads) {
  const std::vector<float> weights = cpu::random_floats(200 * 96, 1), input = cpu::random_floats(40 * 96, 2);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = threads});
    const Tensor weight(const_cast<float*>(weights.data()), DType::kF32, {200, 96});
    const Linear linear = backend->make_linear(std::span(&weight, 1), {});
    const Tensor x = backend->allocate(DType::kF32, {40, 96}), y = backend->allocate(DType::kF32, {40, 200});
    backend->write(x, input.data(), input.size() * sizeof(float));
    backend->linear(y, x, linear);
    backend->wait();
    results.emplace_back(y.as<float>(), y.as<float>() + y.elements());
    std::vector<int32_t> ids = {7, 199};
    const Tensor row = backend->allocate(DType::kF32, {2, 96});
    backend->embed(row, linear, Tensor(ids.data(), DType::kI32, {2}));
    EXPECT_EQ(std::vector<float>(row.as<float>(), row.as<float>() + 96), std::vector<float>(weights.begin() + 7 * 96, weights.begin() + 8 * 96));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(CpuBackend, RefusesAnUnknownInstructionSet) { EXPECT_THROW(make_cpu_backend({.isa = "sse"}), StartError); }

}  // namespace
}  // namespace ember
