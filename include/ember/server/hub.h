// SPDX-License-Identifier: Apache-2.0
// The hub: one thread that writes every generated answer and notices every client that goes away.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ember/base/clock.h"
#include "ember/engine/generator.h"
#include "ember/scheduler/request.h"
#include "ember/server/connection.h"
#include "ember/server/response.h"

namespace ember {

struct HubOptions {
  Duration keep_alive_interval =
      std::chrono::seconds(15);  // between signs of life on a silent stream; zero: none
  Duration write_timeout =
      std::chrono::seconds(30);  // a client that takes no byte for so long is cut
  size_t max_buffered_bytes =
      256 * 1024;  // unsent output of an unfinished answer at which its client is cut as too slow
};

class ResponseHub final : public OutputSink {
 public:
  using OnTrace = std::function<void(const SequenceTrace&)>;
  using OnDone = std::function<void(std::unique_ptr<Connection>)>;

  // on_done gets, on the hub's thread, each connection whose answer is complete and sent; `closing`
  // is set unless it may carry another request.
  ResponseHub(const HubOptions& options, OnDone on_done);
  ~ResponseHub() override;  // stop()

  // Before the first adopt. on_trace gets, on the hub's thread, the trace of every sequence that
  // ended, also of cancelled ones; it must not block.
  void start(OnTrace on_trace = {});
  // Cancels and fails what is unfinished with `error`, flushes for at most `grace`, joins. Later
  // adopts are dropped.
  void stop(const Error& error, Duration grace);

  // Any thread. Watches the socket from now on, then submits the requests to `generator` (ids
  // unique; their events go to `response`), which is kept until the answer is done: so a model
  // outlives its answers. A client that goes away, or closes only its sending side, cancels them.
  // No requests: only what `response` starts with, and `generator` may be null.
  void adopt(std::unique_ptr<Connection> connection, std::unique_ptr<Response> response,
             std::vector<RequestRef> requests, std::shared_ptr<Generator> generator);
  // Any thread. Cancels these requests where they run; their answers get the event of it. Unknown
  // ones are ignored.
  void abort(std::vector<RequestId> ids);
  // Events of unknown requests (cancelled ones among them) are ignored.
  void on_step(std::vector<TokenOutput> events, const StepReport& report) override;

  int num_open() const;  // answers adopted and neither completely sent nor given up; any thread

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ember
