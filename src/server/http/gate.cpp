// SPDX-License-Identifier: Apache-2.0
#include "http/gate.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "ember/base/log.h"
#include "http/access_log.h"
#include "http/client_socket.h"
#include "http/http_answer.h"

namespace ember {
namespace {

constexpr size_t kReadSize = 64 * 1024;
constexpr Duration kLinger = std::chrono::seconds(1);
constexpr Duration kLongestWait = std::chrono::milliseconds(500);
constexpr Duration kLongestWaitAtEnd = std::chrono::milliseconds(10);
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

FramingError too_late(const std::string& part) {
  return {408, "the request's " + part + " did not arrive in time", "request_timeout"};
}

}  // namespace

Gate::Gate(const HttpOptions& options, OnRequest on_request, Acceptor::Accept accept)
    : options_(options),
      limits_{options.max_uri_bytes, options.max_header_line_bytes, options.max_headers,
              options.max_body_bytes},
      on_request_(std::move(on_request)),
      acceptor_(poller_, options.max_connections, std::move(accept)) {}

Gate::~Gate() { finish(); }

void Gate::start(int listen_fd) {
  acceptor_.start(listen_fd);
  last_turn_ = Clock::now().time_since_epoch().count();
  thread_ = std::thread([this] { loop(); });
}

void Gate::stop_reading() {
  stop_reading_ = true;
  poller_.wake();
}

void Gate::finish() {
  stop_reading_ = true;
  finish_ = true;
  poller_.wake();
  if (thread_.joinable()) thread_.join();
}

void Gate::send(std::unique_ptr<Connection> connection, std::string bytes) {
  if (connection && outgoing_.push({std::move(connection), std::move(bytes)})) poller_.wake();
}

void Gate::loop() {
  while (true) {
    const bool last_answers_queued = finish_;
    try {
      turn();
      if (last_answers_queued && is_done(Clock::now())) break;
    } catch (const std::exception& e) {
      // Memory, most likely: the connections stay, and so do their deadlines.
      spdlog::error("http gate: {}", e.what());
    }
  }
  clients_.clear();
}

bool Gate::is_done(TimePoint now) const { return clients_.empty() || now >= last_write_until_; }

void Gate::turn() {
  const std::span<const epoll_event> ready = poller_.wait(next_turn());
  const TimePoint now = Clock::now();
  last_turn_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  for (const epoll_event& event : ready) {
    if (event.data.fd == acceptor_.fd())
      for (auto& connection : acceptor_.accept(now)) add(std::move(connection));
    else if (const auto found = clients_.find(event.data.fd); found != clients_.end())
      on_event(*found->second);
  }
  if (stop_reading_ && !closing_) begin_stop();
  take_outgoing();
  acceptor_.resume(now);
  expire(now);
  if (finish_ && last_write_until_ == kNever) last_write_until_ = now + kLinger;
}

TimePoint Gate::next_turn() const {
  const TimePoint latest = Clock::now() + (finish_ ? kLongestWaitAtEnd : kLongestWait);
  return std::min({latest, acceptor_.resume_at(), deadlines_.earliest()});
}

void Gate::take_outgoing() {
  for (Outgoing& outgoing : outgoing_.take_all()) {
    if (closing_) outgoing.connection->closing = true;
    if (closing_ && outgoing.bytes.empty()) continue;
    const int fd = outgoing.connection->fd();
    add(std::move(outgoing.connection));
    if (const auto found = clients_.find(fd); found != clients_.end())
      begin_writing(*found->second, std::move(outgoing.bytes));
  }
}

void Gate::begin_stop() {
  closing_ = true;
  acceptor_.stop();
  std::vector<Client*> ended;
  for (const auto& [fd, client] : clients_)
    if (client->phase == Phase::kWriting)
      client->connection->closing = true;
    else if (client->phase != Phase::kLingering)
      ended.push_back(client.get());
  for (Client* client : ended) remove(*client);
}

void Gate::expire(TimePoint now) {
  while (const std::optional<int> fd = deadlines_.due(now)) {
    Client& client = *clients_.at(*fd);
    if (client.phase == Phase::kHead || client.phase == Phase::kBody)
      answer_error(client, too_late(client.phase == Phase::kHead ? "head" : "body"));
    else
      remove(client);
  }
}

void Gate::add(std::unique_ptr<Connection> connection) {
  const int fd = connection->fd();
  if (!poller_.add(fd, EPOLLIN)) return;  // closed
  auto& client = clients_[fd];
  client = std::make_unique<Client>(std::move(connection), limits_);
  client->events = EPOLLIN;
  deadlines_.set(fd, Clock::now() + options_.idle_timeout);
}

std::unique_ptr<Connection> Gate::release(Client& client) {
  std::unique_ptr<Connection> connection = std::move(client.connection);
  const int fd = connection->fd();
  poller_.remove(fd);
  deadlines_.remove(fd);
  clients_.erase(fd);
  return connection;
}

void Gate::enter(Client& client, Phase phase, TimePoint deadline) {
  client.phase = phase;
  deadlines_.set(client.connection->fd(), deadline);
}

void Gate::want(Client& client, uint32_t events) {
  if (client.events == events) return;
  client.events = events;
  poller_.change(client.connection->fd(), events);
}

void Gate::on_event(Client& client) {
  switch (client.phase) {
    case Phase::kWriting:
      return write_some(client);
    case Phase::kLingering:
      if (!drain(*client.connection, client.num_drained)) remove(client);
      return;
    default:
      return read_some(client);
  }
}

// One read per turn, so that nobody is served at the expense of the others.
void Gate::read_some(Client& client) {
  thread_local char buffer[kReadSize];
  const ssize_t count = ::recv(client.connection->fd(), buffer, sizeof buffer, 0);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (count <= 0) return remove(client);
  client.connection->input.append(buffer, static_cast<size_t>(count));
  advance(client);
}

void Gate::advance(Client& client) {
  std::string& input = client.connection->input;
  if (input.empty()) return;
  const TimePoint now = Clock::now();
  if (client.phase == Phase::kIdle) {
    client.since = now;
    enter(client, Phase::kHead, now + options_.header_timeout);
  }
  input.erase(0, client.parser.feed(input));
  const RequestParser::State state = client.parser.state();
  if (state == RequestParser::State::kFailed) return answer_error(client, client.parser.error());
  if (state == RequestParser::State::kDone) {
    Incoming incoming{nullptr, client.parser.take(), client.since};
    incoming.connection = release(client);
    incoming.connection->closing = !incoming.request.keep_alive;
    return on_request_(std::move(incoming));
  }
  if (state == RequestParser::State::kBody && client.phase == Phase::kHead)
    enter(client, Phase::kBody, now + options_.body_timeout);
  if (client.parser.expects_continue() && !client.continued) {
    client.continued = true;
    // Tiny, and the first thing sent: it fits, or the client does not read.
    SendBuffer bytes{.bytes = std::string(kContinue)};
    if (bytes.send_to(client.connection->fd()) != SendBuffer::Outcome::kSent) remove(client);
  }
}

void Gate::answer_error(Client& client, const FramingError& error) {
  const HttpRequest& request = client.parser.request();
  const std::string id = request_id_for(request);
  std::string bytes = framing_error_answer(error, id);
  log_access(access_line(request, id), error.status, bytes.size(), Clock::now() - client.since);
  client.connection->closing = true;
  client.connection->input.clear();
  begin_writing(client, std::move(bytes));
}

void Gate::begin_writing(Client& client, std::string bytes) {
  client.out = {.bytes = std::move(bytes)};
  enter(client, Phase::kWriting, Clock::now() + options_.write_timeout);
  write_some(client);
}

void Gate::write_some(Client& client) {
  switch (client.out.send_to(client.connection->fd())) {
    case SendBuffer::Outcome::kFull:
      return want(client, EPOLLOUT);
    case SendBuffer::Outcome::kBroken:
      return remove(client);
    case SendBuffer::Outcome::kSent:
      return after_writing(client);
  }
}

void Gate::after_writing(Client& client) {
  client.out = {};
  want(client, EPOLLIN);
  if (client.connection->closing) {
    begin_lingering(*client.connection);
    return enter(client, Phase::kLingering, Clock::now() + kLinger);
  }
  enter(client, Phase::kIdle, Clock::now() + options_.idle_timeout);
  advance(client);
}

}  // namespace ember
