// SPDX-License-Identifier: Apache-2.0
#include "cuda/error.h"

#include <gtest/gtest.h>

#include "ember/base/device_error.h"

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
    after_launch(cudaErrorLaunchFailure, "gemm");
    FAIL();
  } catch (const DeviceError& e) {
    EXPECT_EQ(e.call(), "gemm");
    EXPECT_EQ(std::string(e.what()),
              "CUDA: gemm failed: cudaErrorLaunchFailure (cudaErrorLaunchFailure)");
  }
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
