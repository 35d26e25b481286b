#include "ember/engine/decoder_runner.h"

namespace ember {

DecoderRunner::DecoderRunner(std::unique_ptr<Backend> backend, std::unique_ptr<Decoder> decoder, const DecoderLimits& limits,
                             int max_num_seqs)
    : backend_(std::move(backend)),
      decoder_(std::move(decoder)),
      builder_(*backend_, {.max_tokens = limits.max_tokens,
                           .max_seqs = max_num_seqs,
                           .max_logit_rows = limits.max_logit_rows,
                           .max_blocks = (limits.max_model_len + limits.block_size - 1) / limits.block_size,
                           .block_size = limits.block_size}),
      sampled_(static_cast<size_t>(limits.max_logit_rows)) {
  decoder_->allocate(limits);
}

DecoderRunner::~DecoderRunner() = default;

void DecoderRunner::launch(const Step& step) {
  batch_ = &builder_.build(step);
  num_rows_ = static_cast<size_t>(step.num_logit_rows);
  backend_->run(0, [this] { logits_ = decoder_->forward(*batch_); });
  backend_->sample(logits_, builder_.sampling_rows(), std::span(sampled_).first(num_rows_));
}

std::span<const SampledToken> DecoderRunner::wait() {
  backend_->wait();
  return std::span<const SampledToken>(sampled_).first(num_rows_);
}

}  // namespace ember
