// SPDX-License-Identifier: Apache-2.0
// What the generating endpoints use of the server, whatever the model.
#pragma once

#include <atomic>

#include "ember/base/clock.h"
#include "ember/scheduler/request.h"
#include "ember/server/param_limits.h"

namespace ember {

class Admission;
class ModelRegistry;
class RequestLog;
class ResponseHub;

// Used by all HTTP threads; only next_request changes.
struct GenerationServices {
  const ModelRegistry& models;
  Admission& admission;  // of all models together: asked before a body, and its model, is read
  ResponseHub& hub;
  RequestLog& requests;
  ParamLimits limits = {};
  Duration queue_timeout = std::chrono::seconds(60);
  Duration request_timeout = std::chrono::seconds(600);
  std::atomic<RequestId> next_request{1};
};

}  // namespace ember
