// SPDX-License-Identifier: Apache-2.0
#include "cuda/error.h"

#include <gtest/gtest.h>

#include "cuda/memory.h"
#include "ember/backend/cuda/cuda_backend.h"
#include "ember/base/device_error.h"
#include "fake_runtime.h"

namespace ember::cuda {
namespace {

std::string message(cudaError_t status) {
  try {
    CUDA_CHECK(status);
  } catch (const DeviceError& e) {
    EXPECT_EQ(e.call(), "status");
    EXPECT_EQ(e.code(), static_cast<int>(status));
    return e.what();
  }
  return "";
}

TEST(CudaError, NamesTheCallAndTheError) {
  EXPECT_EQ(message(cudaSuccess), "");
  EXPECT_EQ(message(cudaErrorIllegalAddress),
            "CUDA: status failed: cudaErrorIllegalAddress (cudaErrorIllegalAddress)");
  try {
    after_launch(cudaErrorLaunchFailure, nullptr);
    FAIL();
  } catch (const DeviceError& e) {
    EXPECT_EQ(e.call(), "kernel");
    EXPECT_EQ(std::string(e.what()),
              "CUDA: kernel failed: cudaErrorLaunchFailure (cudaErrorLaunchFailure)");
  }
}

// An error of a kernel comes to light in a later call: only who waits after each launch knows whose
// it is.
TEST(CudaError, WaitingForEachLaunchNamesTheKernelThatFailed) {
  for (const bool synchronous : {true, false}) {
    Stream stream;
    const auto launched = synchronous ? &after_synchronous_launch : &after_launch;
    std::string named;
    try {
      fake_cuda::lose_after(1);
      fake_cuda::set_delays(20000, 1);
      for (const char* kernel : {"first", "second", "third"}) {
        fake_cuda::set_name(kernel, kernel);
        fake_cuda::enqueue(stream.get(), [] {});
        launched(cudaSuccess, kernel);
      }
      stream.wait();
    } catch (const DeviceError& e) {
      named = e.call();
      EXPECT_NE(std::string(e.what()).find("cudaErrorIllegalAddress"), std::string::npos);
    }
    fake_cuda::set_delays(0, 0);
    fake_cuda::lose_after(fake_cuda::kNever);
    EXPECT_EQ(named, synchronous ? "second" : "cudaStreamSynchronize");
  }
}

TEST(CudaError, TheLastCallIsKnown) {
  CUDA_CHECK(cudaStreamSynchronize(nullptr));
  EXPECT_EQ(last_cuda_call(), "cudaStreamSynchronize");
  const char* const kernel = "gemm";
  fake_cuda::set_name(kernel, kernel);
  after_synchronous_launch(cudaSuccess, kernel);
  EXPECT_EQ(last_cuda_call(), "gemm");
  after_launch(cudaSuccess, kernel);
  EXPECT_EQ(last_cuda_call(), "kernel");
}

TEST(CudaError, TheChosenCallAndAllAfterItFailWithoutBeingMade) {
  int made = 0;
  const auto call = [&] {
    ++made;
    return cudaSuccess;
  };
  fail_call(3);
  CUDA_CHECK(call());
  CUDA_CHECK(call());
  EXPECT_THROW(CUDA_CHECK(call()), DeviceError);
  EXPECT_THROW(CUDA_CHECK(call()), DeviceError);
  EXPECT_EQ(made, 2);
  EXPECT_EQ(num_calls(), 4u);
  fail_call(0);
  EXPECT_NO_THROW(CUDA_CHECK(call()));
}

}  // namespace
}  // namespace ember::cuda
