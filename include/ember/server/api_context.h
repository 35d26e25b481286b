// SPDX-License-Identifier: Apache-2.0
// What the endpoints are made of. Each handler is given the parts that it uses, and no other.
#pragma once

#include <functional>

#include "ember/base/result.h"

namespace ember {

class KeyRing;
class Metrics;
class ModelRegistry;
class RequestLog;
class ResponseHub;
struct GenerationServices;
struct ServerStatus;

struct ApiContext {
  ServerStatus& status;
  KeyRing& keys;  // none: everybody may ask
  ModelRegistry& models;
  GenerationServices& generation;
  ResponseHub& hub;
  RequestLog& requests;
  Metrics& metrics;
  std::function<Result<void>()>
      reload_keys;  // reads the key file again; a fault of it changes nothing
};

}  // namespace ember
