// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/decoder_runner.h"

#include "ember/base/check.h"

namespace ember {

BatchLimits batch_limits(const DecoderLimits& limits, int max_num_seqs) {
  return {.max_tokens = limits.max_tokens,
          .max_seqs = max_num_seqs,
          .max_logit_rows = limits.max_logit_rows,
          .max_blocks = (limits.max_model_len + limits.block_size - 1) / limits.block_size,
          .block_size = limits.block_size};
}

DecoderRunner::DecoderRunner(std::unique_ptr<Backend> backend, std::unique_ptr<Decoder> decoder,
                             const DecoderLimits& limits, int max_num_seqs)
    : backend_(std::move(backend)),
      decoder_(std::move(decoder)),
      masks_(static_cast<int32_t>(decoder_->config().vocab_size)) {
  CHECK(backend_->max_in_flight() <= static_cast<int>(launched_.size()));
  decoder_->allocate(limits);
  StepLimits of_step = step_limits(decoder_->config(), limits, max_num_seqs);
  of_step.written_bytes = BatchBuilder::device_bytes(*backend_, batch_limits(limits, max_num_seqs));
  backend_->prepare(of_step);
  builder_.emplace(*backend_, batch_limits(limits, max_num_seqs));
  for (Launched& launched : launched_)
    launched.sampled.resize(static_cast<size_t>(limits.max_logit_rows));
  for (const int size : backend_->repeatable_sizes()) {
    const BatchView& batch = builder_->build_padding(size);
    backend_->run(batch, [&] { decoder_->forward(batch); });
    backend_->wait();
  }
  backend_->seal();
}

DecoderRunner::~DecoderRunner() = default;

void DecoderRunner::launch(const Step& step) {
  Launched& launched = launched_[num_launched_++ % launched_.size()];
  launched.num_rows = static_cast<size_t>(step.num_logit_rows);
  const BatchView& batch = builder_->build(step);
  masks_.build(step, builder_->sampling_rows(),
               [&] { backend_->run(batch, [&] { decoder_->forward(batch); }); });
  backend_->sample(decoder_->logits(step.num_logit_rows), builder_->sampling_rows(),
                   std::span(launched.sampled).first(launched.num_rows));
}

std::span<const SampledToken> DecoderRunner::wait() {
  backend_->wait();
  const Launched& launched = launched_[num_waited_for_++ % launched_.size()];
  return std::span<const SampledToken>(launched.sampled).first(launched.num_rows);
}

}  // namespace ember
