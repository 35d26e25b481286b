// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/device_batch.h"

namespace ember {

size_t DeviceBatch::bytes(const Backend& backend, const BatchLimits& limits) {
  return backend.tensor_bytes(DType::kI32, {limits.num_elements()});
}

DeviceBatch::DeviceBatch(Backend& backend, const BatchLimits& limits)
    : backend_(backend), memory_(backend.allocate(DType::kI32, {limits.num_elements()})) {}

const BatchView& DeviceBatch::upload(const HostBatch& batch) {
  backend_.write(memory_, batch.memory.data(), batch.num_used * sizeof(int32_t));
  view_ = batch.view;
  for (Tensor* array : {&view_.token_ids, &view_.positions, &view_.slots, &view_.q_starts,
                        &view_.kv_lens, &view_.logit_rows, &view_.block_tables})
    array->data = memory_.as<int32_t>() + (array->as<int32_t>() - batch.memory.data());
  return view_;
}

}  // namespace ember
