// Carries out steps with a model on a device.
#pragma once

#include <memory>
#include <vector>

#include "ember/engine/batch_builder.h"
#include "ember/engine/step_runner.h"
#include "ember/model/decoder.h"

namespace ember {

class DecoderRunner final : public StepRunner {
 public:
  // Takes device and model over. Allocates everything a step of these limits needs.
  DecoderRunner(std::unique_ptr<Backend> backend, std::unique_ptr<Decoder> decoder, const DecoderLimits& limits, int max_num_seqs);
  ~DecoderRunner() override;

  int max_in_flight() const override { return backend_->max_in_flight(); }
  void launch(const Step& step) override;
  std::span<const SampledToken> wait() override;

 private:
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Decoder> decoder_;
  BatchBuilder builder_;
  std::vector<SampledToken> sampled_;
  size_t num_rows_ = 0;
  const BatchView* batch_ = nullptr;  // of the step launched last
  Tensor logits_;                     // of it
};

}  // namespace ember
