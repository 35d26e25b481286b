// SPDX-License-Identifier: Apache-2.0
// The device's copy of a batch.
#pragma once

#include <cstddef>

#include "ember/engine/host_batch.h"

namespace ember {

// One tensor, allocated once, so that the arrays of a batch with a shape are at the same addresses
// in every step. A step copies what it uses: the used columns of the block tables, and the other
// arrays at once. Used by the backend's thread.
class DeviceBatch {
 public:
  // After backend.prepare(). The backend must outlive it.
  DeviceBatch(Backend& backend, const BatchLimits& limits);
  // What the constructor allocates on the device.
  static size_t bytes(const Backend& backend, const BatchLimits& limits);

  // `batch` has the same limits and may be changed as soon as this returns. The view is valid until
  // the next upload.
  const BatchView& upload(const HostBatch& batch);

 private:
  Backend& backend_;
  const int64_t num_table_elements_;
  Tensor memory_;
  BatchView view_;
};

}  // namespace ember
