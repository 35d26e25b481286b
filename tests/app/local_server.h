// SPDX-License-Identifier: Apache-2.0
// An HTTP server for tests of what talks to one.
#pragma once

#include <httplib.h>

#include <string>
#include <thread>

namespace ember {

class LocalServer {
 public:
  ~LocalServer() {
    routes.stop();
    if (thread_.joinable()) thread_.join();
  }

  void list_model(const std::string& id) {
    routes.Get("/v1/models", [id](const httplib::Request&, httplib::Response& response) {
      response.set_content(R"({"data":[{"id":")" + id + R"("}]})", "application/json");
    });
  }
  // After the routes have been set.
  void start() {
    port_ = routes.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { routes.listen_after_bind(); });
    while (!routes.is_running()) std::this_thread::yield();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  httplib::Server routes;

 private:
  std::thread thread_;
  int port_ = 0;
};

}  // namespace ember
