// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/decoder_runner.h"

#include "ember/base/check.h"
#include "ember/base/integers.h"
#include "warm_up.h"

namespace ember {

BatchLimits batch_limits(const DecoderLimits& limits, int max_num_seqs) {
  return {.max_tokens = limits.max_tokens,
          .max_seqs = max_num_seqs,
          .max_logit_rows = limits.max_logit_rows,
          .max_blocks = ceil_div(limits.max_model_len, limits.block_size),
          .block_size = limits.block_size};
}

DecoderRunner::DecoderRunner(std::unique_ptr<Backend> backend, std::unique_ptr<Decoder> decoder,
                             const DecoderLimits& limits, int max_num_seqs, int cpu_threads,
                             const std::function<void()>& progress)
    : backend_(std::move(backend)),
      decoder_(std::move(decoder)),
      masks_(static_cast<int32_t>(decoder_->config().vocab_size), cpu_threads) {
  CHECK(backend_->max_in_flight() <= static_cast<int>(launched_.size()));
  const BatchLimits of_batch = batch_limits(limits, max_num_seqs);
  decoder_->allocate(limits);
  StepLimits of_step = step_limits(decoder_->config(), limits, max_num_seqs);
  of_step.written_bytes = DeviceBatch::bytes(*backend_, of_batch);
  backend_->prepare(of_step);
  builder_.emplace(of_batch, backend_->repeatable_shapes());
  device_batch_.emplace(*backend_, of_batch);
  for (Launched& launched : launched_)
    launched.sampled.resize(static_cast<size_t>(limits.max_logit_rows));
  for (const BatchShape& shape : backend_->repeatable_shapes()) {
    compute(builder_->build_padding(shape));
    backend_->wait();
    progress();
  }
  if (!backend_->first_uses().empty()) warm_up(limits, max_num_seqs, progress);
  backend_->seal();
}

DecoderRunner::~DecoderRunner() = default;

void DecoderRunner::warm_up(const DecoderLimits& limits, int max_num_seqs,
                            const std::function<void()>& progress) {
  HostBatch& decode = builder_->build_padding({.num_seqs = 1, .q_len = 1});
  decode.view.shape.reset();  // there may be no recorded one, and longer steps are not recorded
  compute(decode);
  backend_->wait();
  WarmUp warm_up(limits, max_num_seqs, decoder_->config().vocab_size);
  for (const int num_tokens : backend_->first_uses()) {
    HostBatch& batch = builder_->build(warm_up.step(num_tokens));
    warm_up.finish(batch);
    compute(batch);
    const size_t num_rows = batch.rows.size();
    backend_->sample(decoder_->logits(static_cast<int>(num_rows)), batch.rows,
                     std::span(launched_[0].sampled).first(num_rows));
    backend_->wait();
    progress();
  }
}

void DecoderRunner::compute(const HostBatch& batch) {
  const BatchView& view = device_batch_->upload(batch);
  backend_->run(view, [&] { decoder_->forward(view); });
}

void DecoderRunner::launch(const Step& step) {
  Launched& launched = launched_[num_launched_++ % launched_.size()];
  launched.num_rows = static_cast<size_t>(step.num_logit_rows);
  batch_ = &builder_->build(step);
  if (step.samples_after_commit) return compute(*batch_);
  MaskBuilder::Round masks = masks_.begin(step, batch_->rows, backend_->mask_memory());
  compute(*batch_);  // while the masks are computed
  finish(step, masks);
}

// The rows are as they were at the launch, with tokens pending that are committed by now: the
// device has them as those.
void DecoderRunner::sample(const Step& step) {
  MaskBuilder::Round masks = masks_.begin(step, batch_->rows, backend_->mask_memory());
  finish(step, masks);
}

void DecoderRunner::finish(const Step& step, MaskBuilder::Round& masks) {
  Launched& launched = launched_[(num_launched_ - 1) % launched_.size()];
  masks.finish();
  backend_->sample(decoder_->logits(step.num_logit_rows), batch_->rows,
                   std::span(launched.sampled).first(launched.num_rows));
}

std::span<const SampledToken> DecoderRunner::wait() {
  backend_->wait();
  const Launched& launched = launched_[num_waited_for_++ % launched_.size()];
  return std::span<const SampledToken>(launched.sampled).first(launched.num_rows);
}

}  // namespace ember
