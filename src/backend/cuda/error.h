// SPDX-License-Identifier: Apache-2.0
// Every call of the CUDA runtime goes through here: one way to fail, which tests can trigger.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace ember::cuda {

// Counts the call and keeps its text, which must stay; throws instead when it is the one that is to
// fail, or comes after it.
void before_call(const char* call);
// Throws DeviceError naming call and error unless status is cudaSuccess.
void after_call(cudaError_t status, const char* call);
// As both, for launches of kernels, which report what has happened (kernels::LaunchCheck).
void after_launch(cudaError_t status, const void* kernel);
// after_launch(), once the device has done everything that was asked of it: an error is of this
// kernel, and so is a wait that does not end. Not while a graph is recorded.
void after_synchronous_launch(cudaError_t status, const void* kernel);

// For tests: the n-th call from now on (1: the next) and all that follow fail as if the device were
// gone; 0: none.
void fail_call(uint64_t n);
uint64_t num_calls();  // since the last fail_call()

}  // namespace ember::cuda

#define CUDA_CHECK(call)                      \
  do {                                        \
    ::ember::cuda::before_call(#call);        \
    ::ember::cuda::after_call((call), #call); \
  } while (false)
