#include "app/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "ember/backend/cpu/cpu_backend.h"

namespace ember {

namespace {

constexpr int kCpuBlockSize = 16;
constexpr int kCpuStepTokens = 512;    // as fast as longer steps, and running answers wait less for a long prompt
constexpr double kCpuUtilization = 0.5;  // a laptop has other things to do

}  // namespace

std::unique_ptr<Backend> open_device(const Settings& settings) {
  const bool gpu_present = std::filesystem::exists("/dev/nvidiactl");
  if (settings.device == "cuda") throw StartError(ExitCode::kNoDevice, "--device cuda: this build of Ember has no CUDA");
  if (settings.device == "auto" && gpu_present)
    throw StartError(ExitCode::kNoDevice, "there is an NVIDIA GPU, but this build of Ember has no CUDA: give --device cpu if that is what you want");
  return make_cpu_backend({.num_threads = settings.cpu_threads, .isa = settings.cpu_isa});
}

std::optional<DType> weight_dtype(const Settings& settings) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32})
    if (settings.dtype == name_of(dtype)) return dtype;
  return std::nullopt;
}

Layout lay_out(const Settings& settings, const Backend& backend, const DecoderConfig& config) {
  if (settings.max_model_len > config.max_position)
    throw StartError(ExitCode::kConfig, fmt::format("--max-model-len {}: the model's context is {}", settings.max_model_len, config.max_position));
  Layout layout;
  layout.limits.max_tokens = settings.max_num_batched_tokens > 0 ? settings.max_num_batched_tokens : std::max(kCpuStepTokens, settings.max_num_seqs);
  layout.limits.max_logit_rows = std::max(settings.max_num_seqs, std::min(layout.limits.max_tokens, 256));
  layout.limits.max_model_len = settings.max_model_len > 0 ? static_cast<int>(settings.max_model_len) : config.max_position;
  layout.limits.block_size = settings.block_size > 0 ? settings.block_size : kCpuBlockSize;
  MemoryBudget budget;
  budget.utilization = settings.gpu_memory_utilization.value_or(kCpuUtilization);
  budget.dtype = weight_dtype(settings);
  budget.may_shorten_context = settings.max_model_len == 0;
  if (settings.kv_cache_memory_bytes) budget.kv_cache_bytes = *settings.kv_cache_memory_bytes;
  layout.plan = plan_memory(backend, config, layout.limits, settings.max_num_seqs, budget);
  layout.limits.max_model_len = layout.plan.max_model_len;
  layout.limits.num_blocks = layout.plan.num_blocks;
  return layout;
}

}  // namespace ember
