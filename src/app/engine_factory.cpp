// SPDX-License-Identifier: Apache-2.0
#include "engine_factory.h"

#include <algorithm>
#include <string>

#include "device.h"
#include "ember/base/cpus.h"
#include "ember/base/log.h"
#include "ember/engine/decoder_runner.h"
#include "ember/engine/fake_runner.h"
#include "fake_faults.h"

namespace ember {

namespace {

SchedulerConfig scheduler_config(const SchedulerSettings& s, const Layout& layout) {
  return {.max_num_batched_tokens = layout.limits.max_tokens,
          .max_num_seqs = s.max_num_seqs,
          .max_num_logit_rows = layout.limits.max_logit_rows,
          .max_model_len = layout.limits.max_model_len,
          .max_num_queued_reqs = s.max_num_queued_reqs,
          .policy = s.policy == "priority" ? SchedulingPolicy::kPriority : SchedulingPolicy::kFcfs,
          .step_time_target = layout.step_time_target,
          .num_speculative_tokens = s.speculative_method == "ngram" ? s.num_speculative_tokens : 0};
}

int cpu_threads(const DeviceSettings& s) {
  return s.cpu_threads > 0 ? s.cpu_threads : usable_cpus();
}

void log_plan(const std::vector<MemoryPlan>& plans) {
  const std::string table = memory_table(plans);
  for (size_t begin = 0; begin < table.size();) {
    const size_t end = std::min(table.find('\n', begin), table.size());
    spdlog::info("{}", table.substr(begin, end - begin));
    begin = end + 1;
  }
}

std::unique_ptr<StepRunner> make_runner(const EngineSettings& settings, const ModelFiles& files,
                                        std::unique_ptr<RankGroup> ranks, const Layout& layout,
                                        const LoadProgress& progress) {
  if (settings.device.kind == DeviceKind::kFake)
    return std::make_unique<FakeRunner>(files.tokenizer->vocab_size(),
                                        std::chrono::milliseconds(settings.device.fake_step_ms), 2,
                                        fault_of(settings.device.fake_faults, settings.num_made));
  size_t done = 0, total = 0;
  load_decoders(settings.model, *ranks, files.config, layout.plans,
                [&](size_t bytes, size_t of) { progress(done = bytes, total = of); });
  return std::make_unique<DecoderRunner>(
      std::move(ranks), layout.limits, settings.scheduler.max_num_seqs,
      cpu_threads(settings.device), [&] { progress(done, total); });
}

}  // namespace

std::unique_ptr<Engine> make_engine(const EngineSettings& settings, const ModelFiles& files,
                                    OutputSink& sink, const LoadProgress& progress) {
  std::unique_ptr<RankGroup> ranks = open_ranks(settings, files.config);
  const Backend& backend = *ranks->at(0).backend;
  spdlog::info("{}: {}, {}", settings.model.path, files.config.architecture, backend.describe());
  if (ranks->size() > 1) spdlog::info("{} ranks like this one share the model", ranks->size());
  if (const RowInvariance rows = backend.row_invariance(); !rows.exact())
    spdlog::info("a token's bits do not depend on its step's others, up to {} tokens",
                 rows.max_rows);
  const Layout layout = lay_out(settings, backend, files.config);
  log_plan(layout.plans);
  if (layout.plan().max_model_len < files.config.max_position && settings.model.max_model_len == 0)
    spdlog::warn("the context is {} tokens instead of the model's {}: the KV cache holds no more",
                 layout.plan().max_model_len, files.config.max_position);
  return std::make_unique<Engine>(
      scheduler_config(settings.scheduler, layout),
      BlockPoolConfig{.num_blocks = layout.limits.num_blocks,
                      .block_size = layout.limits.block_size,
                      .enable_prefix_caching = settings.scheduler.enable_prefix_caching},
      make_runner(settings, files, std::move(ranks), layout, progress), sink);
}

}  // namespace ember
