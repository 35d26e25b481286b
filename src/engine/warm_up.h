// SPDX-License-Identifier: Apache-2.0
// Steps for Backend::first_uses(): whatever a request may ask for is asked for before the first
// one.
#pragma once

#include <cstdint>
#include <vector>

#include "ember/engine/host_batch.h"
#include "ember/model/decoder_plan.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

class WarmUp {
 public:
  WarmUp(const DecoderLimits& limits, int max_num_seqs, int64_t vocab_size);

  // Prompts of so many tokens together, or of as many as ever come together, with as many logit
  // rows as may be; the last of each is sampled with every option. Valid until the next call.
  const Step& step(int num_tokens);
  // Completes what a BatchBuilder made of step(): nothing is stored to the cache; of the rows the
  // last two are left, of which the last one is sampled and has a mask. Neither belongs to a
  // sequence that the device would remember. The batch refers to this object.
  void finish(HostBatch& batch) const;

 private:
  const DecoderLimits limits_;
  const int max_num_seqs_;
  const std::vector<uint32_t> mask_;  // of all tokens
  std::vector<Sequence> seqs_;
  Step step_;
};

}  // namespace ember
