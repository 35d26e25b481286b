// SPDX-License-Identifier: Apache-2.0
#include "device.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/base/clock.h"
#include "ember/base/cpus.h"
#include "ember/base/files.h"
#include "ember/base/log.h"
#include "ember/base/start_error.h"
#include "ember/model/dummy_checkpoint.h"
#include "model_source.h"
#if defined(EMBER_CUDA)
#include "ember/backend/cuda/cuda_backend.h"
#endif

namespace ember {

namespace {

constexpr int kCpuBlockSize = 16;
constexpr int kCpuStepTokens =
    512;  // longer steps are no faster, and running answers would wait longer for a long prompt
// With 8 clients of SmolLM2 Q4_1, 40 ms gives 10 % fewer tokens per second than 100 ms and 65 ms
// instead of 119 between tokens at the 99th percentile (tests/bench/README.md). Shorter steps cut
// prompts into still smaller pieces, which cost more of the tokens per second.
constexpr double kCpuStepMs = 40;
constexpr int kGpuStepTokens = 2048, kLargeGpuStepTokens = 8192;
constexpr size_t kLargeGpuBytes = size_t{70} << 30;
constexpr double kGpuUtilization = 0.9;

std::optional<DType> asked_for(const ModelSettings& settings) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32})
    if (settings.dtype == name_of(dtype)) return dtype;
  return std::nullopt;
}

std::unique_ptr<Backend> open_cuda([[maybe_unused]] const EngineSettings& settings,
                                   [[maybe_unused]] const DecoderConfig& config) {
#if defined(EMBER_CUDA)
  DType dtype = asked_for(settings.model).value_or(config.dtype);
  if (settings.model.dtype == name_of(DType::kF32))
    throw StartError(ExitCode::kConfig,
                     "--dtype float32: the CUDA device computes in float16 and bfloat16");
  if (dtype == DType::kF32) {
    spdlog::info("the weights are float32; the CUDA device takes them as bfloat16");
    dtype = DType::kBF16;
  }
  const DeviceSettings& device = settings.device;
  return make_cuda_backend({.device = device.index,
                            .dtype = dtype,
                            .graphs = device.cuda_graphs && !device.cuda_sync,
                            .overlap_launches = device.cuda_overlap,
                            .synchronous = device.cuda_sync,
                            .cublas = device.cuda_cublas});
#else
  throw StartError(
      ExitCode::kNoDevice,
      settings.device.kind == DeviceKind::kCuda
          ? "--device cuda: this build of Ember has no CUDA"
          : "there is an NVIDIA GPU, but this build of Ember has no CUDA: give --device cpu if "
            "that is what you want");
#endif
}

// A GPU in the host's memory is a small one, however much of that there is.
int step_tokens(const SchedulerSettings& settings, const Backend& backend) {
  if (settings.max_num_batched_tokens > 0) return settings.max_num_batched_tokens;
  const MemoryInfo memory = backend.memory();
  const bool large = memory.dedicated && memory.total_bytes >= kLargeGpuBytes;
  const int usual = !backend.is_gpu() ? kCpuStepTokens
                    : large           ? kLargeGpuStepTokens
                                      : kGpuStepTokens;
  return std::max(usual, settings.max_num_seqs);
}

int block_size(const DeviceSettings& settings, const Backend& backend) {
  const int only = backend.block_size();
  if (only > 0 && settings.block_size > 0 && settings.block_size != only)
    throw StartError(ExitCode::kConfig,
                     fmt::format("--block-size {}: this device's KV blocks have {} tokens",
                                 settings.block_size, only));
  return only > 0 ? only : settings.block_size > 0 ? settings.block_size : kCpuBlockSize;
}

std::unique_ptr<Backend> open_cpu(const DeviceSettings& device, int rank,
                                  std::shared_ptr<cpu::Exchange> exchange) {
  const int threads = device.cpu_threads > 0 ? device.cpu_threads : usable_cpus();
  return make_cpu_backend({.num_threads = std::max(1, threads / device.tensor_parallel_size),
                           .isa = device.cpu_isa,
                           .activations = device.cpu_activations == "float" ? CpuActivations::kFloat
                                          : device.cpu_activations == "int8"
                                              ? CpuActivations::kInt8
                                              : CpuActivations::kInt16,
                           .rank = rank,
                           .exchange = std::move(exchange)});
}

// Random weights are of dummy_dtype.
std::unique_ptr<Checkpoint> open_checkpoint(const ModelSettings& settings,
                                            const DecoderConfig& config, DType dummy_dtype) {
  if (settings.load_format == "dummy")
    return std::make_unique<DummyCheckpoint>(config, 0, dummy_dtype);
  return open_model(settings.path)->checkpoint(config);
}

}  // namespace

bool has_nvidia_gpu(const std::filesystem::path& root) {
  const auto there = [&](const char* path) { return path_exists(root / path); };
  return there("dev/nvidiactl") || there("dev/nvidia0") ||
         (there("dev/dxg") && there("usr/lib/wsl/lib/libcuda.so.1"));
}

bool wants_gpu(const DeviceSettings& settings) {
  return settings.kind == DeviceKind::kCuda ||
         (settings.kind == DeviceKind::kAuto && has_nvidia_gpu());
}

std::string last_device_call() {
#if defined(EMBER_CUDA)
  return last_cuda_call();
#else
  return {};
#endif
}

std::unique_ptr<Backend> open_device(const EngineSettings& settings, const DecoderConfig& config) {
  const DeviceSettings& device = settings.device;
  if (wants_gpu(device)) return open_cuda(settings, config);
  if (device.kind == DeviceKind::kAuto)
    spdlog::info("there is no NVIDIA GPU: the CPU is the device");
  return open_cpu(device, 0, nullptr);
}

std::unique_ptr<RankGroup> open_ranks(const EngineSettings& settings, const DecoderConfig& config) {
  const int num_ranks = settings.device.tensor_parallel_size;
  if (num_ranks == 1) return std::make_unique<RankGroup>(open_device(settings, config), nullptr);
  if (wants_gpu(settings.device))
    throw StartError(ExitCode::kConfig,
                     fmt::format("--tensor-parallel-size {}: only the CPU is shared by several "
                                 "ranks; a GPU is one",
                                 num_ranks));
  auto meeting = std::make_shared<Rendezvous>(num_ranks);
  const std::shared_ptr<cpu::Exchange> exchange = make_cpu_exchange(meeting);
  auto ranks = std::make_unique<RankGroup>(std::move(meeting));
  ranks->run(
      [&](int rank) { ranks->at(rank).backend = open_cpu(settings.device, rank, exchange); });
  return ranks;
}

std::optional<DType> weight_dtype(const ModelSettings& settings, const Backend& backend,
                                  const DecoderConfig& config) {
  if (backend.activation_dtype() != DType::kF32) return backend.activation_dtype();
  if (settings.load_format == "dummy") return asked_for(settings).value_or(config.dtype);
  return asked_for(settings);
}

Layout lay_out(const EngineSettings& settings, const Backend& backend,
               const DecoderConfig& config) {
  if (settings.model.max_model_len > config.max_position)
    throw StartError(ExitCode::kConfig,
                     fmt::format("--max-model-len {}: the model's context is {}",
                                 settings.model.max_model_len, config.max_position));
  Layout layout;
  layout.limits.max_tokens = step_tokens(settings.scheduler, backend);
  layout.limits.max_logit_rows =
      std::max(settings.scheduler.max_num_seqs, std::min(layout.limits.max_tokens, 256));
  layout.limits.max_model_len = settings.model.max_model_len > 0
                                    ? static_cast<int>(settings.model.max_model_len)
                                    : config.max_position;
  layout.limits.block_size = block_size(settings.device, backend);
  const double step_ms =
      settings.scheduler.step_time_target.value_or(backend.is_gpu() ? 0 : kCpuStepMs);
  layout.step_time_target =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(step_ms));
  MemoryBudget budget;
  budget.utilization = settings.device.memory_utilization.value_or(
      backend.memory().dedicated ? kGpuUtilization : kHostUtilization);
  budget.dtype = weight_dtype(settings.model, backend, config);
  budget.may_shorten_context = settings.model.max_model_len == 0;
  if (settings.device.kv_cache_bytes) budget.kv_cache_bytes = settings.device.kv_cache_bytes;
  layout.plans = plan_memory(backend, config, settings.device.tensor_parallel_size, layout.limits,
                             settings.scheduler.max_num_seqs, budget);
  layout.limits.max_model_len = layout.plan().max_model_len;
  layout.limits.num_blocks = layout.plan().num_blocks;
  return layout;
}

void load_decoders(const ModelSettings& settings, RankGroup& ranks, const DecoderConfig& config,
                   const std::vector<MemoryPlan>& plans,
                   const std::function<void(size_t, size_t)>& progress) {
  const TimePoint begin = Clock::now();
  ranks.run([&](int r) {
    Rank& rank = ranks.at(r);
    const auto of_rank = [&](size_t done, size_t total) {
      if (ranks.failed()) throw RanksAborted();
      if (r == 0 && progress) progress(done, total);
    };
    const LoadOptions options{.dtype = weight_dtype(settings, *rank.backend, config),
                              .progress = of_rank};
    const std::unique_ptr<Checkpoint> checkpoint =
        open_checkpoint(settings, config, options.dtype.value_or(config.dtype));
    rank.backend->reserve(plans[static_cast<size_t>(r)].total_bytes());
    rank.decoder = std::make_unique<Decoder>(*rank.backend, Shard(config, r, ranks.size()),
                                             *checkpoint, options);
    if (r == 0)
      spdlog::info("loaded {:.2f} GB in {:.1f} s",
                   static_cast<double>(checkpoint->total_bytes()) / 1e9,
                   seconds(Clock::now() - begin));
  });
}

}  // namespace ember
