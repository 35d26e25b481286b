// SPDX-License-Identifier: Apache-2.0
// The models of attention on sm_90a, from the constants that the kernels themselves use.
#pragma once

#include "kernels/attention.h"
#include "kernels/bench/predict.h"

namespace ember::kernels::bench {

// `seqs` sequences of kv_len positions, a token each.
KernelModel model_decode(const DeviceModel& device, const AttentionShape& shape, int seqs,
                         int kv_len);

// `seqs` chunks of q_len tokens, the last of each at position kv_len - 1.
KernelModel model_prefill(const DeviceModel& device, const AttentionShape& shape, int seqs,
                          int q_len, int kv_len);

}  // namespace ember::kernels::bench
