// SPDX-License-Identifier: Apache-2.0
// The gate: one thread that accepts connections, reads whole requests from them and writes the
// pool's answers.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "ember/base/clock.h"
#include "ember/base/queue.h"
#include "ember/server/connection.h"
#include "ember/server/http_options.h"
#include "http/acceptor.h"
#include "http/deadlines.h"
#include "http/framing.h"
#include "http/poller.h"
#include "http/send_buffer.h"

namespace ember {

// A request on its way to the pool, and who waits for its answer.
struct Incoming {
  std::unique_ptr<Connection> connection;
  HttpRequest request;
  TimePoint since{};  // the request's first byte
};

class Gate {
 public:
  using OnRequest = std::function<void(Incoming)>;  // on the gate's thread; must not block

  // accept: see Acceptor.
  Gate(const HttpOptions& options, OnRequest on_request, Acceptor::Accept accept = {});
  ~Gate();  // finish()
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  void start(int listen_fd);
  // No new connections and requests; what idles or is being read is closed. The caller closes
  // listen_fd afterwards.
  void stop_reading();
  // Writes what is still to be written, for a second at most, and joins.
  void finish();

  // Any thread. Waits for the next request, or ends a closing one.
  void give_back(std::unique_ptr<Connection> connection) { send(std::move(connection), {}); }
  // Any thread. Writes `bytes`, then as give_back.
  void send(std::unique_ptr<Connection> connection, std::string bytes);

  int num_connections() const { return acceptor_.num_connections(); }
  TimePoint last_turn() const {
    return TimePoint(Duration(last_turn_.load(std::memory_order_relaxed)));
  }

 private:
  enum class Phase { kIdle, kHead, kBody, kWriting, kLingering };

  struct Client {
    explicit Client(std::unique_ptr<Connection> c, const FramingLimits& limits)
        : connection(std::move(c)), parser(limits) {}
    std::unique_ptr<Connection> connection;
    RequestParser parser;
    Phase phase = Phase::kIdle;
    TimePoint since{};  // the current request's first byte
    SendBuffer out;     // to be written
    size_t num_drained = 0;
    uint32_t events = 0;     // asked of epoll
    bool continued = false;  // 100 Continue has been sent
  };
  struct Outgoing {
    std::unique_ptr<Connection> connection;
    std::string bytes;
  };

  void loop();
  void turn();
  TimePoint next_turn() const;
  void take_outgoing();
  void expire(TimePoint now);
  void add(std::unique_ptr<Connection> connection);
  void begin_stop();
  bool is_done(TimePoint now) const;

  // These may remove the client.
  void on_event(Client& client);
  void read_some(Client& client);
  void advance(Client& client);  // parses what has been received
  void answer_error(Client& client, const FramingError& error);
  void begin_writing(Client& client, std::string bytes);
  void write_some(Client& client);
  void after_writing(Client& client);
  void remove(Client& client) { std::unique_ptr<Connection> end = release(client); }

  std::unique_ptr<Connection> release(Client& client);
  void enter(Client& client, Phase phase, TimePoint deadline);
  void want(Client& client, uint32_t events);

  const HttpOptions options_;
  const FramingLimits limits_;
  const OnRequest on_request_;
  Poller poller_;

  // The gate's thread alone:
  Acceptor acceptor_;
  std::unordered_map<int, std::unique_ptr<Client>> clients_;
  Deadlines deadlines_;  // of the clients' phases
  bool closing_ = false;
  TimePoint last_write_until_ = kNever;

  Queue<Outgoing> outgoing_;
  std::atomic<bool> stop_reading_{false}, finish_{false};
  std::atomic<Duration::rep> last_turn_{0};
  std::thread thread_;
};

}  // namespace ember
