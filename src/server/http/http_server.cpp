// SPDX-License-Identifier: Apache-2.0
#include "ember/server/http_server.h"

#include <deque>
#include <thread>
#include <vector>

#include "ember/base/check.h"
#include "ember/base/mutex.h"
#include "http/access_log.h"
#include "http/dispatcher.h"
#include "http/gate.h"
#include "http/http_answer.h"
#include "http/listener.h"

namespace ember {

class HttpServer::Impl {
 public:
  explicit Impl(const HttpOptions& o)
      : options(o), gate(o, [this](Incoming incoming) { enqueue(std::move(incoming)); }) {}

  // Bounded by max_connections: each connection waits for at most one answer.
  void enqueue(Incoming incoming) EXCLUDES(mu) {
    MutexLock lock(mu);
    queue.push_back(std::move(incoming));
    ready.notify_one();
  }

  bool next(Incoming& incoming) EXCLUDES(mu) {
    MutexLock lock(mu);
    while (queue.empty() && !stopping) ready.wait(mu);
    if (queue.empty()) return false;
    incoming = std::move(queue.front());
    queue.pop_front();
    return true;
  }

  void work() {
    Incoming incoming;
    while (next(incoming)) answer(std::move(incoming));
  }

  void answer(Incoming incoming) {
    std::string id = request_id_for(incoming.request);
    Exchange exchange(std::move(incoming.request), std::move(id), std::move(incoming.connection));
    dispatcher.dispatch(exchange);
    if (exchange.taken()) return;
    std::string bytes = response_bytes(exchange);
    log_access(access_line(exchange.request(), exchange.request_id()), exchange.response().status,
               bytes.size(), Clock::now() - incoming.since);
    std::unique_ptr<Connection> connection = exchange.take();
    connection->closing = exchange.response().close || !exchange.keep_alive();
    gate.send(std::move(connection), std::move(bytes));
  }

  void stop() {
    if (threads.empty()) return;
    gate.stop_reading();
    {
      MutexLock lock(mu);
      stopping = true;
      ready.notify_all();
    }
    for (std::thread& thread : threads) thread.join();
    threads.clear();
    gate.finish();
    listener.reset();
  }

  const HttpOptions options;
  Dispatcher dispatcher;
  std::unique_ptr<Listener> listener;
  std::vector<std::thread> threads;
  Mutex mu;
  CondVar ready;
  std::deque<Incoming> queue GUARDED_BY(mu);
  bool stopping GUARDED_BY(mu) = false;
  Gate gate;  // its thread uses the members above
};

HttpServer::HttpServer(const HttpOptions& options) : impl_(std::make_unique<Impl>(options)) {}
HttpServer::~HttpServer() { stop(); }

void HttpServer::route(const std::string& method, const std::string& path, Handler handler) {
  impl_->dispatcher.route(method, path, std::move(handler));
}
std::vector<std::pair<std::string, std::string>> HttpServer::routes() const {
  return impl_->dispatcher.routes();
}
void HttpServer::set_before(Before before) { impl_->dispatcher.set_before(std::move(before)); }

void HttpServer::dispatch(Exchange& exchange) const { impl_->dispatcher.dispatch(exchange); }

void HttpServer::bind() { impl_->listener = std::make_unique<Listener>(impl_->options); }
int HttpServer::port() const {
  return impl_->listener ? impl_->listener->port() : impl_->options.port;
}

void HttpServer::start() {
  CHECK(impl_->listener && impl_->threads.empty(), "start() comes once, after bind()");
  for (int i = 0; i < impl_->options.num_threads; ++i)
    impl_->threads.emplace_back([this] { impl_->work(); });
  impl_->gate.start(impl_->listener->fd());
}

void HttpServer::stop() { impl_->stop(); }

void HttpServer::give_back(std::unique_ptr<Connection> connection) {
  impl_->gate.give_back(std::move(connection));
}
int HttpServer::num_connections() const { return impl_->gate.num_connections(); }
TimePoint HttpServer::last_turn() const { return impl_->gate.last_turn(); }

}  // namespace ember
