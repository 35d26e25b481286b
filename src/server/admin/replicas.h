// SPDX-License-Identifier: Apache-2.0
// What operators see of a model's replicas, and may order.
#pragma once

#include <string>

#include "ember/base/result.h"
#include "ember/server/json_reader.h"
#include "ember/server/model_registry.h"

namespace ember {

// Of all models that have several engines: none where each has one.
Result<Json> list_replicas(const ModelRegistry& models);
// {"replica": 0, "model": NAME}: ends that replica's engine, so that it is made again. The model
// may be left out where one is served.
Result<Json> restart_replica(const ModelRegistry& models, const Json& body);
// {"policy": NAME, "model": NAME}: for the requests to come.
Result<Json> set_routing(const ModelRegistry& models, const Json& body);

// The same numbers for /metrics, in the text format of Prometheus. Empty where there are none.
std::string replica_metrics(const ModelRegistry& models);

}  // namespace ember
