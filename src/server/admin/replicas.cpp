// SPDX-License-Identifier: Apache-2.0
#include "admin/replicas.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ranges>

namespace ember {

namespace {

constexpr size_t kMaxNameBytes = 1024;

std::string_view name_of(RoutingPolicy policy) {
  return kRoutingPolicies[static_cast<size_t>(policy)].name;
}
const char* name_of(ReplicaState state) { return kReplicaStateNames[static_cast<size_t>(state)]; }

// The model that an order is about. kInvalid where it has one engine.
Result<std::shared_ptr<ReplicaSet>> replicas_of(const ModelRegistry& models, FieldReader& fields) {
  const std::string name = fields.text("model", kMaxNameBytes, "");
  if (!fields.ok()) return fields.error();
  const Result<ModelRef> model = models.find(name, Principal{});
  if (!model.ok()) return model.error();
  if (!model.value()->replicas)
    return wrong("model", "has one engine: --data-parallel-size is 1.", "no_replicas");
  return model.value()->replicas;
}

Json replica_json(int number, const ReplicaInfo& info) {
  return {{"replica", number},
          {"state", name_of(info.state)},
          {"num_requests", info.num_requests},
          {"num_restarts", info.num_lives > 0 ? info.num_lives - 1 : 0},
          {"num_choices", info.num_choices}};
}

Json model_json(const ServedModel& model) {
  Json replicas = Json::array();
  for (int number = 0; const ReplicaInfo& info : model.replicas->replicas())
    replicas.push_back(replica_json(number++, info));
  const ReplicaSetTotals totals = model.replicas->totals();
  return {{"model", model.info.names.front()},
          {"policy", name_of(model.replicas->policy())},
          {"num_replays", totals.num_replays},
          {"num_replayed_tokens", totals.num_replayed_tokens},
          {"replicas", replicas}};
}

std::vector<ModelRef> with_replicas(const ModelRegistry& models) {
  std::vector<ModelRef> all = models.all();
  std::erase_if(all, [](const ModelRef& model) { return model->replicas == nullptr; });
  return all;
}

// As a label's value is written.
std::string escaped(const std::string& value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return text;
}

// Writes the metrics of one name.
class Family {
 public:
  Family(std::string& text, const char* name, const char* type, const char* help)
      : text_(text), name_(name) {
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  void sample(const std::string& labels, uint64_t value) {
    text_ += fmt::format("{}{{{}}} {}\n", name_, labels, value);
  }

 private:
  std::string& text_;
  const char* const name_;
};

}  // namespace

Result<Json> list_replicas(const ModelRegistry& models) {
  Json data = Json::array();
  for (const ModelRef& model : with_replicas(models)) data.push_back(model_json(*model));
  return Json{{"object", "list"}, {"data", data}};
}

Result<Json> restart_replica(const ModelRegistry& models, const Json& body) {
  FieldReader fields(body);
  const auto replicas = replicas_of(models, fields);
  if (!replicas.ok()) return replicas.error();
  if (!fields.has("replica")) return wrong("replica", "is missing.", "invalid_value");
  const auto last = static_cast<int64_t>(replicas.value()->replicas().size()) - 1;
  const auto replica = static_cast<ReplicaId>(fields.integer("replica", 0, last, 0));
  if (!fields.ok()) return fields.error();
  replicas.value()->restart(replica);
  return Json{{"status", "restarting"}, {"replica", replica}};
}

Result<Json> set_routing(const ModelRegistry& models, const Json& body) {
  FieldReader fields(body);
  const auto replicas = replicas_of(models, fields);
  if (!replicas.ok()) return replicas.error();
  const std::string name = fields.text("policy", 64, "");
  if (!fields.ok()) return fields.error();
  const auto policy = std::ranges::find(kRoutingPolicies, name, &RoutingPolicyName::name);
  if (policy == std::end(kRoutingPolicies))
    return wrong(
        "policy",
        fmt::format(
            "must be one of {}.",
            fmt::join(kRoutingPolicies | std::views::transform(&RoutingPolicyName::name), ", ")),
        "invalid_value");
  replicas.value()->set_policy(policy->policy);
  return Json{{"status", "set"}, {"policy", name}};
}

std::string replica_metrics(const ModelRegistry& models) {
  const std::vector<ModelRef> all = with_replicas(models);
  std::string text;
  if (all.empty()) return text;
  const auto label = [](const ModelRef& model) {
    return fmt::format("model_name=\"{}\"", escaped(model->info.names.front()));
  };
  const auto of_replicas = [&](Family family, const auto& sample) {
    for (const ModelRef& model : all)
      for (int engine = 0; const ReplicaInfo& info : model->replicas->replicas())
        sample(family, fmt::format("{},engine=\"{}\"", label(model), engine++), info);
  };
  of_replicas({text, "ember_replica_state", "gauge", "1 for the state that a replica is in."},
              [](Family& family, const std::string& labels, const ReplicaInfo& info) {
                for (const char* state : kReplicaStateNames)
                  family.sample(fmt::format("{},state=\"{}\"", labels, state),
                                std::string_view(state) == name_of(info.state));
              });
  of_replicas({text, "ember_replica_restarts_total", "counter", "Engines made again."},
              [](Family& family, const std::string& labels, const ReplicaInfo& info) {
                family.sample(labels, info.num_lives > 0 ? info.num_lives - 1 : 0);
              });
  Family replays(text, "ember_requests_replayed_total", "counter",
                 "Requests that went on with another replica, each time.");
  for (const ModelRef& model : all)
    replays.sample(label(model), model->replicas->totals().num_replays);
  Family tokens(text, "ember_replayed_tokens_total", "counter",
                "Tokens of answers that were given out before their replica failed.");
  for (const ModelRef& model : all)
    tokens.sample(label(model), model->replicas->totals().num_replayed_tokens);
  Family choices(text, "ember_router_choices_total", "counter", "Requests placed, by policy.");
  for (const ModelRef& model : all)
    for (size_t i = 0; const uint64_t count : model->replicas->totals().num_choices)
      choices.sample(fmt::format("{},policy=\"{}\"", label(model), kRoutingPolicies[i++].name),
                     count);
  return text;
}

}  // namespace ember
