// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/device_batch.h"

namespace ember {

size_t DeviceBatch::bytes(const Backend& backend, const BatchLimits& limits) {
  return backend.tensor_bytes(DType::kI32, {limits.num_elements()});
}

DeviceBatch::DeviceBatch(Backend& backend, const BatchLimits& limits)
    : backend_(backend),
      num_table_elements_(limits.num_table_elements()),
      memory_(backend.allocate(DType::kI32, {limits.num_elements()})) {}

const BatchView& DeviceBatch::upload(const HostBatch& batch) {
  Tensor arrays(memory_.as<int32_t>() + num_table_elements_, DType::kI32,
                {static_cast<int64_t>(batch.num_used)});
  backend_.write(arrays, batch.memory.data() + num_table_elements_, arrays.bytes());
  view_ = batch.view;
  for (Tensor* array : {&view_.token_ids, &view_.positions, &view_.slots, &view_.q_starts,
                        &view_.kv_lens, &view_.logit_rows, &view_.block_tables})
    array->data = memory_.as<int32_t>() + (array->as<int32_t>() - batch.memory.data());
  if (batch.num_table_columns > 0)
    backend_.write_columns(view_.block_tables.rows(batch.num_tables), batch.memory.data(),
                           batch.num_table_columns);
  return view_;
}

}  // namespace ember
