// SPDX-License-Identifier: Apache-2.0
#include "admin/status.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace ember {

bool is_ready(const ApiContext& context) {
  constexpr Duration kHang = std::chrono::seconds(5);
  if (context.state.load(std::memory_order_acquire) != ServerState::kReady) return false;
  const Generator* generator = context.model.generator.get();
  return generator == nullptr ||
         (!generator->failed() && Clock::now() - generator->last_progress() < kHang);
}

const char* state_name(const ApiContext& context) {
  switch (context.state.load(std::memory_order_acquire)) {
    case ServerState::kLoading:
      return "loading";
    case ServerState::kDraining:
      return "draining";
    case ServerState::kFailed:
      return "failed";
    case ServerState::kReady:
      break;
  }
  return is_ready(context) ? "ready" : "stalled";
}

Json status_json(const ApiContext& context) {
  const bool loaded = context.state.load(std::memory_order_acquire) != ServerState::kLoading;
  const EngineLoad load = loaded ? context.model.engine_metrics->load() : EngineLoad();
  return {{"status", state_name(context)},
          {"version", context.version},
          {"model", loaded ? Json(context.model.info.names.front()) : Json(nullptr)},
          {"max_model_len", loaded ? Json(context.model.info.max_model_len) : Json(nullptr)},
          {"uptime_s", std::floor(seconds(Clock::now() - context.begun))},
          {"num_running", load.num_running},
          {"num_waiting", load.num_waiting},
          {"kv_cache_usage", load.kv_cache_usage},
          {"tokens_per_second", std::round(load.tokens_per_second)},
          {"prompt_tokens_total", loaded ? context.model.metrics->prompt_tokens() : 0},
          {"generation_tokens_total", loaded ? context.model.metrics->generation_tokens() : 0},
          {"prefix_cache_queries_total", load.prefix_cache_queries},
          {"prefix_cache_hits_total", load.prefix_cache_hits},
          {"num_preemptions_total", load.num_preemptions}};
}

}  // namespace ember
