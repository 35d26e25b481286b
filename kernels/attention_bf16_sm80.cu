// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention_decode_sm80.cuh"
#include "kernels/attention_prefill_sm80.cuh"

namespace ember::kernels {

template void decode_sm80<__nv_bfloat16>(const StreamRef&, const AttentionShape&,
                                         const AttentionArgs<__nv_bfloat16>&);
template void prefill_sm80<__nv_bfloat16>(const StreamRef&, const AttentionShape&,
                                          const AttentionArgs<__nv_bfloat16>&);

}  // namespace ember::kernels
