// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention_decode_sm90.cuh"
#include "kernels/attention_prefill_sm90.cuh"

namespace ember::kernels {

template void decode_sm90<__half>(const StreamRef&, const AttentionShape&,
                                  const AttentionArgs<__half>&);
template void prefill_sm90<__half>(const StreamRef&, const AttentionShape&,
                                   const AttentionArgs<__half>&, int);

}  // namespace ember::kernels
