// SPDX-License-Identifier: Apache-2.0
// The model of a product on sm_90a.
#pragma once

#include "kernels/bench/predict.h"
#include "kernels/gemm.h"

namespace ember::kernels::bench {

KernelModel model_gemm(const DeviceModel& device, int out, int in, int tokens, Epilogue epilogue);

}  // namespace ember::kernels::bench
