// SPDX-License-Identifier: Apache-2.0
// Bodies for the parsers of requests, and the model that they are for.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "api/chat_request.h"
#include "ember/server/json_reader.h"

namespace ember {

inline ModelInfo some_model() {
  ModelInfo model;
  model.names = {"m"};
  model.max_model_len = 1000;
  model.vocab_size = 500;
  return model;
}

inline Json user_message(const Json& content) {
  return Json::array({{{"role", "user"}, {"content", content}}});
}

// body with the members of `more`, which win.
inline Json with(Json body, const Json& more) {
  body.update(more);
  return body;
}

// "param: message", or "" when there is none.
template <class T>
std::string fault(const Result<T>& result) {
  return result.ok() ? "" : result.error().param + ": " + result.error().message;
}

}  // namespace ember
