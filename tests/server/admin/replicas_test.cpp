// SPDX-License-Identifier: Apache-2.0
#include "admin/replicas.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "server/api_parts.h"

namespace ember {
namespace {

using testing::HasSubstr;

// A model with two replicas that never answer.
struct TwoReplicas {
  TwoReplicas() {
    for (int i = 0; i < 2; ++i) {
      const ReplicaId id = set->add(sink);
      set->ready(id, set->begin_life(id), std::make_shared<SilentGenerator>(),
                 {.step_tokens = 64, .max_num_seqs = 4, .kv_tokens = 1024});
    }
    auto model = parts.model({"a \"model\""}, set);
    model->replicas = set;
    parts.models.add(std::move(model));
  }
  void submit(RequestId id) {
    Request request;
    request.id = id;
    request.prompt = {1, 2, 3};
    request.max_tokens = 4;
    set->submit(share(std::move(request)));
  }

  ApiParts parts;
  OutputSink& sink = parts.hub;
  std::shared_ptr<ReplicaSet> set = std::make_shared<ReplicaSet>(ReplicaSetOptions{}, sink);
};

TEST(AdminReplicas, ListsStatesAndCounts) {
  TwoReplicas two;
  two.submit(1);
  const Json list = list_replicas(two.parts.models).value();
  ASSERT_EQ(list["data"].size(), 1u);
  const Json& model = list["data"][0];
  EXPECT_EQ(model["policy"], "prefix");
  ASSERT_EQ(model["replicas"].size(), 2u);
  EXPECT_EQ(model["replicas"][0]["state"], "closed");
  EXPECT_EQ(model["replicas"][0]["num_requests"].get<int>() +
                model["replicas"][1]["num_requests"].get<int>(),
            1);
}

TEST(AdminReplicas, ModelsOfOneEngineAreNotListedAndTakeNoOrders) {
  ApiParts parts;
  parts.models.add(parts.model({"m"}));
  EXPECT_EQ(list_replicas(parts.models).value()["data"], Json::array());
  EXPECT_EQ(replica_metrics(parts.models), "");
  EXPECT_THAT(set_routing(parts.models, {{"policy", "least"}}).error().message,
              HasSubstr("--data-parallel-size is 1"));
}

TEST(AdminReplicas, ThePolicyIsSetByName) {
  TwoReplicas two;
  EXPECT_TRUE(set_routing(two.parts.models, {{"policy", "round-robin"}}).ok());
  EXPECT_EQ(two.set->policy(), RoutingPolicy::kRoundRobin);
  const Error error = set_routing(two.parts.models, {{"policy", "best"}}).error();
  EXPECT_EQ(error.param, "policy");
  EXPECT_THAT(error.message, HasSubstr("one of prefix, least, power-of-two, round-robin, hash"));
  EXPECT_EQ(set_routing(two.parts.models, {{"policy", "hash"}, {"model", "no"}}).error().param,
            "model");
  EXPECT_EQ(two.set->policy(), RoutingPolicy::kRoundRobin) << "a bad order changes nothing";
}

TEST(AdminReplicas, ARestartEndsALife) {
  TwoReplicas two;
  EXPECT_EQ(restart_replica(two.parts.models, Json::object()).error().param, "replica");
  EXPECT_EQ(restart_replica(two.parts.models, {{"replica", 2}}).error().param, "replica");
  EXPECT_FALSE(two.set->wants_life(1));
  EXPECT_TRUE(restart_replica(two.parts.models, {{"replica", 1}}).ok());
  EXPECT_TRUE(two.set->wants_life(1));
}

TEST(AdminReplicas, MetricsAreInPrometheusFormat) {
  TwoReplicas two;
  two.submit(1);
  const std::string text = replica_metrics(two.parts.models);
  EXPECT_THAT(text, HasSubstr("# TYPE ember_replica_state gauge\n"));
  EXPECT_THAT(text, HasSubstr("ember_replica_state{model_name=\"a \\\"model\\\"\",engine=\"1\","
                              "state=\"closed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("engine=\"1\",state=\"open\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("policy=\"prefix\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("ember_requests_replayed_total{model_name=\"a \\\"model\\\"\"} 0\n"));
}

}  // namespace
}  // namespace ember
