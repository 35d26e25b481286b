// SPDX-License-Identifier: Apache-2.0
#include "http/gate.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "ember/base/check.h"
#include "ember/base/log.h"
#include "http/access_log.h"
#include "http/http_answer.h"

namespace ember {
namespace {

constexpr int kMaxEvents = 256;
constexpr int kMaxAcceptsPerTurn = 256;
constexpr size_t kMaxDrained = 1024 * 1024;
constexpr size_t kReadSize = 64 * 1024;
constexpr Duration kAcceptPause =
    std::chrono::milliseconds(100);  // after an error that lasts, e.g. no descriptors left
constexpr Duration kLinger = std::chrono::seconds(1);
constexpr Duration kLongestWait = std::chrono::milliseconds(500);
constexpr const char* kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string peer_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char text[INET6_ADDRSTRLEN] = "";
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  if (address.ss_family == AF_INET)
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(address).sin_addr, text, sizeof text);
  if (address.ss_family == AF_INET6)
    ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  return text;
}

int accept_client(int listen_fd) {
  return ::accept4(listen_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Gate::Gate(const HttpOptions& options, OnRequest on_request, Accept accept)
    : options_(options),
      limits_{options.max_uri_bytes, options.max_header_line_bytes, options.max_headers,
              options.max_body_bytes},
      on_request_(std::move(on_request)),
      accept_(accept ? std::move(accept) : Accept(accept_client)),
      num_connections_(std::make_shared<std::atomic<int>>(0)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(epoll_ >= 0 && wake_ >= 0, "no descriptors left");
  epoll_event event{EPOLLIN, {.fd = wake_}};
  CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0);
}

Gate::~Gate() {
  finish();
  ::close(wake_);
  ::close(epoll_);
}

void Gate::start(int listen_fd) {
  listen_ = listen_fd;
  watch_listener(true);
  last_turn_ = Clock::now().time_since_epoch().count();
  thread_ = std::thread([this] { loop(); });
}

void Gate::stop_reading() {
  stop_reading_ = true;
  ::eventfd_write(wake_, 1);
}

void Gate::finish() {
  stop_reading_ = true;
  finish_ = true;
  ::eventfd_write(wake_, 1);
  if (thread_.joinable()) thread_.join();
}

void Gate::send(std::unique_ptr<Connection> connection, std::string bytes) {
  if (connection && outgoing_.push({std::move(connection), std::move(bytes)}))
    ::eventfd_write(wake_, 1);
}

void Gate::loop() {
  while (true) {
    const bool last_answers_queued = finish_;
    try {
      turn();
      if (last_answers_queued && is_done(Clock::now())) break;
    } catch (const std::exception&
                 e) {  // memory, most likely: the connections stay, their deadlines too
      spdlog::error("http gate: {}", e.what());
    }
  }
  clients_.clear();
}

bool Gate::is_done(TimePoint now) const { return clients_.empty() || now >= last_write_until_; }

void Gate::turn() {
  epoll_event events[kMaxEvents];
  const int count = ::epoll_wait(epoll_, events, kMaxEvents, wait_ms(Clock::now()));
  const TimePoint now = Clock::now();
  last_turn_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  for (int i = 0; i < count; ++i) {
    const int fd = events[i].data.fd;
    eventfd_t value;
    if (fd == wake_) {
      ::eventfd_read(wake_, &value);
    } else if (fd == listen_) {
      accept_some(now);
    } else if (const auto found = clients_.find(fd); found != clients_.end()) {
      on_event(*found->second);
    }
  }
  if (stop_reading_ && !closing_) begin_stop();
  take_outgoing();
  expire(now);
  if (finish_ && last_write_until_ == kNever) last_write_until_ = now + kLinger;
}

int Gate::wait_ms(TimePoint now) const {
  TimePoint next = std::min(now + kLongestWait, accept_again_);
  if (!deadlines_.empty()) next = std::min(next, deadlines_.begin()->first);
  if (finish_) next = std::min(next, now + std::chrono::milliseconds(10));
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
  return static_cast<int>(std::max<int64_t>(ms, 0));
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
  watch_listener(false);
  accept_again_ = kNever;
  std::vector<Client*> ended;
  for (const auto& [fd, client] : clients_)
    if (client->phase == Phase::kWriting)
      client->connection->closing = true;
    else if (client->phase != Phase::kLingering)
      ended.push_back(client.get());
  for (Client* client : ended) remove(*client);
}

void Gate::expire(TimePoint now) {
  if (now >= accept_again_ && !closing_) {
    accept_again_ = kNever;
    watch_listener(true);
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Client& client = *clients_.at(deadlines_.begin()->second);
    if (client.phase == Phase::kHead)
      answer_error(client,
                   {408, "the request's head did not arrive in time", "request_timeout", ""});
    else if (client.phase == Phase::kBody)
      answer_error(client,
                   {408, "the request's body did not arrive in time", "request_timeout", ""});
    else
      remove(client);
  }
}

void Gate::watch_listener(bool on) {
  if (on == listening_) return;
  epoll_event event{EPOLLIN, {.fd = listen_}};
  CHECK(::epoll_ctl(epoll_, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listen_, &event) == 0);
  listening_ = on;
}

void Gate::accept_some(TimePoint now) {
  for (int i = 0; i < kMaxAcceptsPerTurn && !stop_reading_; ++i) {
    const int fd = accept_(listen_);
    if (fd < 0 && errno == EAGAIN) return;
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO))
      continue;  // of this one client
    if (fd < 0) {
      spdlog::warn("http: cannot accept a connection (errno {}), trying again soon", errno);
      watch_listener(false);
      accept_again_ = now + kAcceptPause;
      return;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
                 sizeof on);  // fails on unix sockets, which need none
    num_connections_->fetch_add(1);
    std::shared_ptr<void> slot(nullptr, [count = num_connections_](void*) { count->fetch_sub(1); });
    auto connection = std::make_unique<Connection>(fd, peer_of(fd), std::move(slot));
    if (!refuse(*connection)) add(std::move(connection));
  }
}

// Over the limit: one attempt to say so, without keeping anything of the client.
bool Gate::refuse(Connection& connection) {
  if (num_connections() <= options_.max_connections) return false;
  const std::string id = request_id_for({});
  const Error error{ErrorKind::kUnavailable, "too many connections", "", "too_many_connections"};
  const std::string bytes = error_answer(503, error, id, "Retry-After: 1\r\n");
  [[maybe_unused]] const ssize_t sent =
      ::send(connection.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(connection.fd(), SHUT_WR);
  log_access("- - " + id, 503, bytes.size(), Duration::zero());
  return true;
}

void Gate::add(std::unique_ptr<Connection> connection) {
  const int fd = connection->fd();
  epoll_event event{EPOLLIN, {.fd = fd}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return;  // out of kernel memory: closed
  auto& client = clients_[fd];
  client = std::make_unique<Client>(std::move(connection), limits_);
  client->events = EPOLLIN;
  client->deadline = Clock::now() + options_.idle_timeout;
  deadlines_.insert({client->deadline, fd});
}

std::unique_ptr<Connection> Gate::release(Client& client) {
  std::unique_ptr<Connection> connection = std::move(client.connection);
  const int fd = connection->fd();
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  deadlines_.erase({client.deadline, fd});
  clients_.erase(fd);
  return connection;
}

void Gate::enter(Client& client, Phase phase, TimePoint deadline) {
  const int fd = client.connection->fd();
  deadlines_.erase({client.deadline, fd});
  client.phase = phase;
  client.deadline = deadline;
  deadlines_.insert({deadline, fd});
}

void Gate::want(Client& client, uint32_t events) {
  if (client.events == events) return;
  client.events = events;
  epoll_event event{events, {.fd = client.connection->fd()}};
  CHECK(::epoll_ctl(epoll_, EPOLL_CTL_MOD, client.connection->fd(), &event) == 0);
}

void Gate::on_event(Client& client) {
  switch (client.phase) {
    case Phase::kWriting:
      return write_some(client);
    case Phase::kLingering:
      return drain(client);
    default:
      return read_some(client);
  }
}

// One read per turn, so that nobody is served at the expense of the others.
void Gate::read_some(Client& client) {
  thread_local char buffer[kReadSize];
  const ssize_t count = ::recv(client.connection->fd(), buffer, sizeof buffer, 0);
  if (count < 0 && would_block()) return;
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
    const std::string_view bytes =
        kContinue;  // tiny, and the first thing sent: fits, or the client does not read
    if (::send(client.connection->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size()))
      remove(client);
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
  client.out = std::move(bytes);
  client.num_sent = 0;
  enter(client, Phase::kWriting, Clock::now() + options_.write_timeout);
  write_some(client);
}

void Gate::write_some(Client& client) {
  while (client.num_sent < client.out.size()) {
    const ssize_t count = ::send(client.connection->fd(), client.out.data() + client.num_sent,
                                 client.out.size() - client.num_sent, MSG_NOSIGNAL);
    if (count < 0 && would_block()) return want(client, EPOLLOUT);
    if (count < 0) return remove(client);
    client.num_sent += static_cast<size_t>(count);
  }
  after_writing(client);
}

void Gate::after_writing(Client& client) {
  if (client.connection->closing) return linger(client);
  client.out = {};
  want(client, EPOLLIN);
  enter(client, Phase::kIdle, Clock::now() + options_.idle_timeout);
  advance(client);
}

// The kernel drops what was sent when a socket with unread input is closed: so first nothing more
// is sent, then what comes is thrown away until the client closes too.
void Gate::linger(Client& client) {
  ::shutdown(client.connection->fd(), SHUT_WR);
  client.out = {};
  client.connection->input = {};
  want(client, EPOLLIN);
  enter(client, Phase::kLingering, Clock::now() + kLinger);
}

void Gate::drain(Client& client) {
  thread_local char buffer[kReadSize];
  const ssize_t count = ::recv(client.connection->fd(), buffer, sizeof buffer, 0);
  if (count < 0 && would_block()) return;
  if (count > 0) client.num_drained += static_cast<size_t>(count);
  if (count <= 0 || client.num_drained > kMaxDrained) remove(client);
}

}  // namespace ember
