// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <ostream>

#include "check_settings.h"
#include "commands.h"
#include "device.h"
#include "model_source.h"
#include "start_log.h"

namespace ember {

namespace {

// Of one rank; free_bytes and budget_bytes are each rank's share.
nlohmann::ordered_json json_of(const MemoryPlan& plan) {
  return {{"free_bytes", plan.free_bytes},
          {"budget_bytes", plan.budget_bytes},
          {"weight_bytes", plan.weight_bytes},
          {"weight_formats", plan.weight_formats},
          {"activation_bytes", plan.activation_bytes},
          {"kv_cache_bytes", plan.kv_bytes()},
          {"total_bytes", plan.total_bytes()},
          {"num_blocks", plan.num_blocks},
          {"block_size", plan.block_size},
          {"kv_cache_tokens", plan.kv_tokens()},
          {"max_model_len", plan.max_model_len},
          {"max_num_seqs", plan.max_num_seqs}};
}

// Several ranks are a list behind the device.
nlohmann::ordered_json json_of(const Backend& backend, const std::vector<MemoryPlan>& plans) {
  nlohmann::ordered_json json = {{"device", backend.describe()}};
  if (plans.size() == 1) {
    json.update(json_of(plans.front()));
    return json;
  }
  for (const MemoryPlan& plan : plans) json["ranks"].push_back(json_of(plan));
  return json;
}

}  // namespace

ExitCode plan(const Settings& settings, std::ostream& out) {
  start_log(settings.log);
  const EngineSettings of_engine = settings.engine();
  check_engine_settings(of_engine);
  const DecoderConfig config = config_of(*open_model(of_engine.model.path), of_engine.model);
  const std::unique_ptr<Backend> backend = open_device(of_engine, config);
  const std::vector<MemoryPlan> plans = lay_out(of_engine, *backend, config).plans;
  if (!settings.plan.json)
    out << backend->describe() << "\n" << memory_table(plans);
  else
    out << json_of(*backend, plans).dump(2) << "\n";
  return ExitCode::kOk;
}

}  // namespace ember
