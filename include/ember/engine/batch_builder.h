// SPDX-License-Identifier: Apache-2.0
// Flattens a step into the arrays that the model reads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ember/engine/host_batch.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

// The arrays depend on the step alone and lie in host memory that the builder owns.
class BatchBuilder {
 public:
  // `repeatable`: as Backend::repeatable_shapes().
  BatchBuilder(const BatchLimits& limits, std::span<const BatchShape> repeatable);
  BatchBuilder(const BatchBuilder&) = delete;  // the batch's arrays refer to its memory
  BatchBuilder& operator=(const BatchBuilder&) = delete;

  // Valid until the next build. A draft is a sequence of one token: a decode. A step in which all
  // sequences compute the same number of output tokens, each with its logits, is padded to the
  // smallest repeatable shape that holds it.
  HostBatch& build(const Step& step);
  // A batch of a repeatable shape that holds padding only.
  HostBatch& build_padding(const BatchShape& shape);

 private:
  Tensor carve(std::initializer_list<int64_t> shape);
  std::optional<BatchShape> shape_for(const Step& step) const;
  void begin(int num_tokens, int num_seqs, int num_logit_rows);
  bool fits(const BatchShape& shape) const;
  void pad(const BatchShape& shape);
  void add_sequence(const ScheduledSequence& part, int q_len, int kv_len);
  void add_tokens(const ScheduledSequence& part, int first_token);
  void add_logit_rows(const ScheduledSequence& part, int first_token);

  const BatchLimits limits_;
  const std::vector<BatchShape> repeatable_;
  HostBatch batch_;
};

}  // namespace ember
