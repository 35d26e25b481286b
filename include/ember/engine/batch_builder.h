// SPDX-License-Identifier: Apache-2.0
// Flattens a step into the arrays that the model reads.
#pragma once

#include <cstdint>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

struct BatchLimits {
  int max_tokens = 0;  // of one step, padding included
  int max_seqs = 0;
  int max_logit_rows = 0;
  int max_blocks = 0;  // of one sequence
  int block_size = 0;
};

// All arrays lie in one device tensor that is allocated once and filled by one copy per step.
class BatchBuilder {
 public:
  // After backend.prepare().
  BatchBuilder(Backend& backend, const BatchLimits& limits);
  // What the constructor allocates on the device.
  static size_t device_bytes(const Backend& backend, const BatchLimits& limits);

  // Valid until the next build.
  const BatchView& build(const Step& step);
  // A repeatable batch of nothing but padding.
  const BatchView& build_padding(int num_tokens);
  // How each logit row of the step becomes a token; valid until the next build.
  std::vector<SamplingRow>& sampling_rows() { return rows_; }

 private:
  struct Array {
    int32_t* host = nullptr;
    Tensor device;
  };
  static int64_t num_elements(const BatchLimits& limits);
  Array carve(std::initializer_list<int64_t> shape);
  void pad(int size);
  const BatchView& upload();
  void add_tokens(const ScheduledSequence& part, int first_token);
  void add_logit_rows(const ScheduledSequence& part, int first_token);

  const BatchLimits limits_;
  Backend& backend_;
  std::vector<int32_t> host_;
  Tensor device_;
  int64_t carved_ = 0;
  Array token_ids_, positions_, slots_, q_starts_, kv_lens_, block_tables_, logit_rows_;
  std::vector<SamplingRow> rows_;
  BatchView view_;
};

}  // namespace ember
