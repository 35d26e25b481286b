// SPDX-License-Identifier: Apache-2.0
// Carries out steps with a model on a device.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ember/engine/batch_builder.h"
#include "ember/engine/device_batch.h"
#include "ember/engine/mask_builder.h"
#include "ember/engine/step_runner.h"
#include "ember/model/decoder.h"

namespace ember {

// The limits of the batches that a runner builds.
BatchLimits batch_limits(const DecoderLimits& limits, int max_num_seqs);

class DecoderRunner final : public StepRunner {
 public:
  // Takes device and model over. Allocates everything a step of these limits needs, records what
  // the device repeats, and does what it does when it is first used: a request finds nothing new.
  // cpu_threads: as for MaskBuilder. Calls `progress` between the steps that it computes; lets
  // through what that throws.
  DecoderRunner(
      std::unique_ptr<Backend> backend, std::unique_ptr<Decoder> decoder,
      const DecoderLimits& limits, int max_num_seqs, int cpu_threads,
      const std::function<void()>& progress = [] {});
  ~DecoderRunner() override;

  int max_in_flight() const override { return backend_->max_in_flight(); }
  void launch(const Step& step) override;
  void sample(const Step& step) override;
  std::span<const SampledToken> wait() override;

 private:
  void warm_up(const DecoderLimits& limits, int max_num_seqs,
               const std::function<void()>& progress);
  void compute(const HostBatch& batch);
  void finish(const Step& step, MaskBuilder::Round& masks);

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Decoder> decoder_;
  // Both are made once the backend is prepared.
  std::optional<BatchBuilder> builder_;
  std::optional<DeviceBatch> device_batch_;
  HostBatch* batch_ = nullptr;  // of the step launched last
  MaskBuilder masks_;
  struct Launched {
    std::vector<SampledToken> sampled;  // sized for the largest step
    size_t num_rows = 0;
  };
  std::array<Launched, 2> launched_;  // used in turn
  uint64_t num_launched_ = 0, num_waited_for_ = 0;
};

}  // namespace ember
