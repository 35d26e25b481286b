// SPDX-License-Identifier: Apache-2.0
// Talks to a running server: for the commands that are its clients.
#pragma once

#include <httplib.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ember {

class ApiClient {
 public:
  struct Failure {
    int status = 0;       // HTTP; 0: there was no answer
    std::string message;  // empty: nothing failed
  };

  // Sends the first of the keys, if there is any. Throws StartError(kUsage) where `url` is none.
  ApiClient(const std::string& url, const std::vector<std::string>& api_key);

  // Throws StartError(kNoDevice), one line: nobody answers, or not with a list of models.
  std::string first_model();

  // Posts and passes on the payload of each event of the answer but the last, [DONE].
  Failure stream(const std::string& path, const nlohmann::ordered_json& body,
                 const std::function<void(const nlohmann::ordered_json&)>& on_event);

 private:
  const std::string url_;
  httplib::Client client_;
};

}  // namespace ember
