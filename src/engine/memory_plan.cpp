// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "ember/base/integers.h"
#include "ember/base/start_error.h"
#include "ember/engine/decoder_runner.h"

namespace ember {

namespace {

std::string size_text(size_t bytes) {
  const double mib = static_cast<double>(bytes) / (1 << 20);
  return mib < 10240 ? fmt::format("{:.1f} MiB", mib) : fmt::format("{:.1f} GiB", mib / 1024);
}

// Everything that steps need beside weights and cache.
size_t step_memory(const Backend& backend, const Shard& shard, const DecoderLimits& limits,
                   int max_num_seqs) {
  return activation_bytes(backend, shard, limits) +
         backend.step_bytes(step_limits(shard, limits, max_num_seqs)) +
         DeviceBatch::bytes(backend, batch_limits(limits, max_num_seqs));
}

MemoryPlan plan_rank(const Backend& backend, const Shard& shard, const DecoderLimits& limits,
                     int max_num_seqs, const MemoryBudget& budget) {
  MemoryPlan plan;
  MemoryInfo memory = backend.memory();
  if (!memory.dedicated) memory.free_bytes /= static_cast<size_t>(shard.num_ranks);
  const auto share = [&](size_t bytes) {
    return static_cast<size_t>(static_cast<double>(bytes) * budget.utilization);
  };
  plan.free_bytes = memory.free_bytes;
  plan.budget_bytes = memory.dedicated ? std::min(memory.free_bytes, share(memory.total_bytes))
                                       : share(memory.free_bytes);
  plan.weight_bytes = weight_bytes(backend, shard, budget.dtype);
  plan.weight_formats = weight_formats(backend, shard, budget.dtype);
  plan.activation_bytes = step_memory(backend, shard, limits, max_num_seqs);
  plan.kv_block_bytes = backend.kv_block_bytes(kv_cache_spec(shard, limits));
  plan.block_size = limits.block_size;
  plan.max_model_len = limits.max_model_len;
  plan.max_num_seqs = max_num_seqs;

  const size_t fixed = plan.weight_bytes + plan.activation_bytes;
  const size_t left = plan.budget_bytes > fixed ? plan.budget_bytes - fixed : 0;
  const int64_t of_one = ceil_div<int64_t>(limits.max_model_len, limits.block_size);
  const int64_t useful =
      std::min<int64_t>(of_one * max_num_seqs, std::numeric_limits<int>::max() / limits.block_size);
  const int64_t affordable =
      static_cast<int64_t>(budget.kv_cache_bytes.value_or(left) / plan.kv_block_bytes);
  plan.num_blocks = static_cast<int>(
      budget.kv_cache_bytes
          ? std::min<int64_t>(affordable, std::numeric_limits<int>::max() / limits.block_size)
          : std::min(affordable, useful));
  if (budget.kv_cache_bytes && fixed + plan.kv_bytes() > plan.free_bytes)
    throw StartError(
        ExitCode::kNoDevice,
        fmt::format("{} are needed ({} of them for the KV cache), {} are free on the device",
                    size_text(fixed + plan.kv_bytes()), size_text(plan.kv_bytes()),
                    size_text(plan.free_bytes)));
  if (plan.num_blocks < of_one && plan.num_blocks > 0 && budget.may_shorten_context) {
    plan.max_model_len = plan.num_blocks * plan.block_size;
    DecoderLimits shortened = limits;
    shortened.max_model_len = plan.max_model_len;
    plan.activation_bytes =
        step_memory(backend, shard, shortened, max_num_seqs);  // less than before
  } else if (plan.num_blocks < of_one && budget.kv_cache_bytes)
    throw StartError(ExitCode::kConfig,
                     fmt::format("--kv-cache-memory-bytes {}: one sequence of {} tokens needs {}",
                                 *budget.kv_cache_bytes, limits.max_model_len,
                                 plan.kv_block_bytes * static_cast<size_t>(of_one)));
  else if (plan.num_blocks < of_one)
    throw StartError(ExitCode::kNoDevice,
                     fmt::format("one sequence of --max-model-len {} tokens needs {} of KV cache, "
                                 "{} are left of {} ({} weights, {} "
                                 "activations): lower --max-model-len or raise the memory",
                                 limits.max_model_len,
                                 size_text(plan.kv_block_bytes * static_cast<size_t>(of_one)),
                                 size_text(left), size_text(plan.budget_bytes),
                                 size_text(plan.weight_bytes), size_text(plan.activation_bytes)));
  return plan;
}

}  // namespace

std::vector<MemoryPlan> plan_memory(const Backend& backend, const DecoderConfig& config,
                                    int num_ranks, const DecoderLimits& limits, int max_num_seqs,
                                    const MemoryBudget& budget) {
  std::vector<MemoryPlan> plans;
  for (int rank = 0; rank < num_ranks; ++rank)
    plans.push_back(
        plan_rank(backend, Shard(config, rank, num_ranks), limits, max_num_seqs, budget));
  const MemoryPlan& least = *std::ranges::min_element(plans, {}, &MemoryPlan::num_blocks);
  const int num_blocks = least.num_blocks, max_model_len = least.max_model_len;
  for (MemoryPlan& plan : plans) {
    plan.num_blocks = num_blocks;
    plan.max_model_len = max_model_len;
  }
  return plans;
}

std::string memory_table(std::span<const MemoryPlan> plans) {
  const MemoryPlan& first = plans.front();
  std::string text;
  const auto row = [&](const char* name, const auto& bytes, const std::string& note) {
    text += fmt::format("{:<14}", name);
    for (const MemoryPlan& plan : plans) text += fmt::format("{:>14}", size_text(bytes(plan)));
    text += fmt::format("  {}\n", note);
  };
  if (plans.size() > 1) {
    text += fmt::format("{:<14}", "");
    for (size_t rank = 0; rank < plans.size(); ++rank)
      text += fmt::format("{:>14}", fmt::format("rank {}", rank));
    text += "\n";
  }
  row("weights", [](const MemoryPlan& p) { return p.weight_bytes; }, first.weight_formats);
  row("activations", [](const MemoryPlan& p) { return p.activation_bytes; }, "of the largest step");
  row(
      "KV cache", [](const MemoryPlan& p) { return p.kv_bytes(); },
      fmt::format("{} blocks of {} tokens = {} tokens, {:.1f} sequences of {}", first.num_blocks,
                  first.block_size, first.kv_tokens(),
                  static_cast<double>(first.kv_tokens()) / first.max_model_len,
                  first.max_model_len));
  row(
      "total", [](const MemoryPlan& p) { return p.total_bytes(); },
      fmt::format("of {} that may be used{}, {} free", size_text(first.budget_bytes),
                  plans.size() > 1 ? " by each" : "", size_text(first.free_bytes)));
  return text;
}

}  // namespace ember
