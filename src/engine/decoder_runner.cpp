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

DecoderRunner::DecoderRunner(std::unique_ptr<RankGroup> ranks, const DecoderLimits& limits,
                             int max_num_seqs, int cpu_threads,
                             const std::function<void()>& progress)
    : ranks_(std::move(ranks)),
      masks_(static_cast<int32_t>(decoder().config().vocab_size), cpu_threads) {
  CHECK(backend().max_in_flight() <= static_cast<int>(launched_.size()));
  allocate(limits, max_num_seqs);
  for (const BatchShape& shape : backend().repeatable_shapes()) {
    compute(builder_->build_padding(shape));
    wait_for_ranks();
    progress();
  }
  if (!backend().first_uses().empty()) warm_up(limits, max_num_seqs, progress);
  ranks_->run([&](int rank) { ranks_->at(rank).backend->seal(); });
}

void DecoderRunner::allocate(const DecoderLimits& limits, int max_num_seqs) {
  const BatchLimits of_batch = batch_limits(limits, max_num_seqs);
  ranks_->run([&](int r) {
    Rank& rank = ranks_->at(r);
    rank.decoder->allocate(limits);
    StepLimits of_step = step_limits(rank.decoder->shard(), limits, max_num_seqs);
    of_step.written_bytes = DeviceBatch::bytes(*rank.backend, of_batch);
    rank.backend->prepare(of_step);
    rank.batch.emplace(*rank.backend, of_batch);
  });
  builder_.emplace(of_batch, backend().repeatable_shapes());
  for (Launched& launched : launched_)
    launched.sampled.resize(static_cast<size_t>(limits.max_logit_rows));
}

DecoderRunner::~DecoderRunner() = default;

void DecoderRunner::warm_up(const DecoderLimits& limits, int max_num_seqs,
                            const std::function<void()>& progress) {
  HostBatch& decode = builder_->build_padding({.num_seqs = 1, .q_len = 1});
  decode.view.shape.reset();  // there may be no recorded one, and longer steps are not recorded
  compute(decode);
  wait_for_ranks();
  WarmUp warm_up(limits, max_num_seqs, decoder().config().vocab_size);
  for (const int num_tokens : backend().first_uses()) {
    HostBatch& batch = builder_->build(warm_up.step(num_tokens));
    warm_up.finish(batch);
    compute(batch);
    const size_t num_rows = batch.rows.size();
    backend().sample(decoder().logits(static_cast<int>(num_rows)), batch.rows,
                     std::span(launched_[0].sampled).first(num_rows));
    wait_for_ranks();
    progress();
  }
}

void DecoderRunner::compute(const HostBatch& batch) {
  ranks_->run([&](int r) {
    Rank& rank = ranks_->at(r);
    const BatchView& view = rank.batch->upload(batch);
    rank.backend->run(view, [&] { rank.decoder->forward(view); });
  });
}

void DecoderRunner::wait_for_ranks() {
  ranks_->run([&](int rank) { ranks_->at(rank).backend->wait(); });
}

void DecoderRunner::launch(const Step& step) {
  Launched& launched = launched_[num_launched_++ % launched_.size()];
  launched.num_rows = static_cast<size_t>(step.num_logit_rows);
  batch_ = &builder_->build(step);
  if (step.samples_after_commit) return compute(*batch_);
  MaskBuilder::Round masks = masks_.begin(step, batch_->rows, backend().mask_memory());
  compute(*batch_);  // while the masks are computed
  finish(step, masks);
}

// The rows are as they were at the launch, with tokens pending that are committed by now: the
// device has them as those.
void DecoderRunner::sample(const Step& step) {
  MaskBuilder::Round masks = masks_.begin(step, batch_->rows, backend().mask_memory());
  finish(step, masks);
}

void DecoderRunner::finish(const Step& step, MaskBuilder::Round& masks) {
  Launched& launched = launched_[(num_launched_ - 1) % launched_.size()];
  masks.finish();
  backend().sample(decoder().logits(step.num_logit_rows), batch_->rows,
                   std::span(launched.sampled).first(launched.num_rows));
}

std::span<const SampledToken> DecoderRunner::wait() {
  wait_for_ranks();
  const Launched& launched = launched_[num_waited_for_++ % launched_.size()];
  return std::span<const SampledToken>(launched.sampled).first(launched.num_rows);
}

}  // namespace ember
