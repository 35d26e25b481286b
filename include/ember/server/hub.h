// The hub: one thread that writes every generated answer and notices every client that goes away.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ember/base/clock.h"
#include "ember/engine/engine.h"
#include "ember/scheduler/request.h"
#include "ember/server/connection.h"
#include "ember/server/response.h"

namespace ember {

struct HubOptions {
  Duration keep_alive_interval = std::chrono::seconds(15);  // between signs of life on a silent stream
  Duration write_timeout = std::chrono::seconds(30);        // a client that takes no byte for so long is cut
  size_t max_buffered_bytes = 256 * 1024;                   // unsent output of a stream at which its client is cut as too slow
};

class ResponseHub final : public OutputSink {
 public:
  // on_idle gets a connection whose answer is complete and that may carry another request.
  ResponseHub(const HubOptions& options, std::function<void(std::unique_ptr<Connection>)> on_idle);
  ~ResponseHub() override;  // stop()

  // `engine` must be set before the first adopt and outlive the hub's thread.
  void start(Engine& engine);
  // Fails what is unfinished with `error`, flushes for at most `grace`, joins.
  void stop(const Error& error, Duration grace);

  // Any thread. Watches the socket from now on, then submits the requests (ids unique; their events go to `response`).
  void adopt(std::unique_ptr<Connection> connection, std::unique_ptr<Response> response, std::vector<Request> requests);
  void on_step(std::vector<TokenOutput> events, const StepReport& report) override;

  int num_open() const;  // answers not finished yet; any thread

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember
