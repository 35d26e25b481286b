// SPDX-License-Identifier: Apache-2.0
// Carries out steps with a model on a device.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ember/engine/batch_builder.h"
#include "ember/engine/mask_builder.h"
#include "ember/engine/rank_group.h"
#include "ember/engine/step_runner.h"

namespace ember {

// The limits of the batches that a runner builds.
BatchLimits batch_limits(const DecoderLimits& limits, int max_num_seqs);

class DecoderRunner final : public StepRunner {
 public:
  // Takes the ranks over, each with its device and its part of the model. Allocates everything a
  // step of these limits needs, records what the device repeats, and does what it does when it is
  // first used: a request finds nothing new. cpu_threads: as for MaskBuilder. Calls `progress`
  // between the steps that it computes; lets through what that throws.
  DecoderRunner(
      std::unique_ptr<RankGroup> ranks, const DecoderLimits& limits, int max_num_seqs,
      int cpu_threads, const std::function<void()>& progress = [] {});
  ~DecoderRunner() override;

  int max_in_flight() const override { return backend().max_in_flight(); }
  void launch(const Step& step) override;
  void sample(const Step& step) override;
  std::span<const SampledToken> wait() override;

 private:
  void warm_up(const DecoderLimits& limits, int max_num_seqs,
               const std::function<void()>& progress);
  // Of the rank that samples.
  Backend& backend() const { return *ranks_->at(0).backend; }
  Decoder& decoder() const { return *ranks_->at(0).decoder; }
  void allocate(const DecoderLimits& limits, int max_num_seqs);
  void compute(const HostBatch& batch);
  void wait_for_ranks();
  void finish(const Step& step, MaskBuilder::Round& masks);

  std::unique_ptr<RankGroup> ranks_;
  std::optional<BatchBuilder> builder_;  // made once the backends are prepared
  HostBatch* batch_ = nullptr;           // of the step launched last
  MaskBuilder masks_;
  struct Launched {
    std::vector<SampledToken> sampled;  // sized for the largest step
    size_t num_rows = 0;
  };
  std::array<Launched, 2> launched_;  // used in turn
  uint64_t num_launched_ = 0, num_waited_for_ = 0;
};

}  // namespace ember
