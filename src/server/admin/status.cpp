// SPDX-License-Identifier: Apache-2.0
#include "admin/status.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace ember {

EngineLoad load_of(const ServedModel& model) {
  EngineLoad all;
  for (const auto& metrics : model.engine_metrics) {
    const EngineLoad one = metrics->load();
    all.num_running += one.num_running;
    all.num_waiting += one.num_waiting;
    all.kv_cache_usage += one.kv_cache_usage / static_cast<double>(model.engine_metrics.size());
    all.tokens_per_second += one.tokens_per_second;
    all.prefix_cache_queries += one.prefix_cache_queries;
    all.prefix_cache_hits += one.prefix_cache_hits;
    all.num_preemptions += one.num_preemptions;
  }
  return all;
}

bool is_ready(const ServerStatus& status, const ModelRegistry& models) {
  constexpr Duration kHang = std::chrono::seconds(5);
  if (status.state.load(std::memory_order_acquire) != ServerState::kReady) return false;
  const std::vector<ModelRef> all = models.all();
  return std::all_of(all.begin(), all.end(), [kHang](const ModelRef& model) {
    return !model->generator->failed() && Clock::now() - model->generator->last_progress() < kHang;
  });
}

const char* state_name(const ServerStatus& status, const ModelRegistry& models) {
  switch (status.state.load(std::memory_order_acquire)) {
    case ServerState::kLoading:
      return "loading";
    case ServerState::kDraining:
      return "draining";
    case ServerState::kFailed:
      return "failed";
    case ServerState::kReady:
      break;
  }
  return is_ready(status, models) ? "ready" : "stalled";
}

Json status_json(const ServerStatus& status, const ModelRegistry& models) {
  const std::vector<ModelRef> all = models.all();
  const ServedModel* first = all.empty() ? nullptr : all.front().get();
  const EngineLoad load = first ? load_of(*first) : EngineLoad();
  return {{"status", state_name(status, models)},
          {"version", status.version},
          {"model", first ? Json(first->info.names.front()) : Json(nullptr)},
          {"max_model_len", first ? Json(first->info.max_model_len) : Json(nullptr)},
          {"uptime_s", std::floor(seconds(Clock::now() - status.begun))},
          {"num_running", load.num_running},
          {"num_waiting", load.num_waiting},
          {"kv_cache_usage", load.kv_cache_usage},
          {"tokens_per_second", std::round(load.tokens_per_second)},
          {"prompt_tokens_total", first ? first->metrics->prompt_tokens() : 0},
          {"generation_tokens_total", first ? first->metrics->generation_tokens() : 0},
          {"prefix_cache_queries_total", load.prefix_cache_queries},
          {"prefix_cache_hits_total", load.prefix_cache_hits},
          {"num_preemptions_total", load.num_preemptions}};
}

}  // namespace ember
