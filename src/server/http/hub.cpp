// SPDX-License-Identifier: Apache-2.0
#include "ember/server/hub.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <unordered_map>

#include "ember/base/check.h"
#include "ember/base/log.h"
#include "ember/base/mutex.h"
#include "ember/base/queue.h"
#include "http/access_log.h"

namespace ember {
namespace {

constexpr int kMaxEvents = 256;
constexpr int kStatusClientGone =
    499;  // nginx's number for the access log: the client closed first

struct Adoption {
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Response> response;
  std::vector<Request> requests;
  std::shared_ptr<Generator> generator;
};

// One answer and its socket.
struct Stream {
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Response> response;
  std::shared_ptr<Generator> generator;  // of its requests
  std::vector<RequestId> open;           // submitted, without a last event so far
  std::string out;                       // appended by the response
  size_t num_sent = 0;                   // of out
  size_t num_bytes = 0;                  // sent altogether
  bool want_write = false;               // epoll waits for room
  bool dirty = false;                    // in Impl::dirty_
  TimePoint since{}, last_sent{};  // last_sent: when the client last took a byte, or had taken all

  bool flushed() const { return num_sent == out.size(); }
};

}  // namespace

class ResponseHub::Impl {
 public:
  Impl(const HubOptions& options, OnDone on_done)
      : options_(options),
        on_done_(std::move(on_done)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    CHECK(epoll_ >= 0 && wake_ >= 0, "no descriptors left");
    epoll_event event{EPOLLIN, {.fd = wake_}};
    CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0);
  }
  ~Impl() {
    ::close(wake_);
    ::close(epoll_);
  }

  void start(OnTrace on_trace) {
    on_trace_ = std::move(on_trace);
    thread_ = std::thread([this] { loop(); });
  }

  void stop(const Error& error, Duration grace) {
    if (!thread_.joinable()) return;
    {
      MutexLock lock(mu_);
      stop_error_ = error;
      grace_ = grace;
    }
    stopping_ = true;
    wake();
    thread_.join();
  }

  void adopt(Adoption adoption) {
    ++num_open_;
    if (adoptions_.push(std::move(adoption))) wake();
  }
  void abort(std::vector<RequestId> ids) {
    if (aborts_.push(std::move(ids))) wake();
  }
  void push_events(std::vector<TokenOutput> events) {
    if (events_.push(std::move(events))) wake();
  }
  int num_open() const { return num_open_; }

 private:
  void wake() { ::eventfd_write(wake_, 1); }

  void loop() {
    bool done = false;
    while (!done) {
      try {
        done = turn();
      } catch (const std::exception& e) {
        spdlog::error("hub: {}", e.what());
      }
    }
    while (!streams_.empty()) drop(*streams_.begin()->second);
    for ([[maybe_unused]] const Adoption& late : adoptions_.take_all()) --num_open_;
  }

  // True at the end.
  bool turn() {
    epoll_event events[kMaxEvents];
    const int count = ::epoll_wait(epoll_, events, kMaxEvents, tick_ms());
    eventfd_t value;
    for (int i = 0; i < count; ++i)
      if (events[i].data.fd == wake_)
        ::eventfd_read(wake_, &value);
      else if (const auto found = streams_.find(events[i].data.fd); found != streams_.end())
        on_socket(*found->second, events[i].events);
    // Adoptions first: what concerns a request comes after its submission, which happens here.
    for (Adoption& adoption : adoptions_.take_all()) begin(std::move(adoption));
    for (const auto& ids : aborts_.take_all())
      for (const RequestId id : ids) cancel_open(id);
    for (const auto& batch : events_.take_all())
      for (const TokenOutput& event : batch) on_event(event);
    flush_dirty();
    check_times();
    if (stopping_ && stop_until_ == kNever) fail_all();
    return stopping_ && (streams_.empty() || Clock::now() >= stop_until_);
  }

  int tick_ms() const {
    if (stopping_) return 5;
    Duration tick = options_.write_timeout;
    if (options_.keep_alive_interval > Duration::zero())
      tick = std::min(tick, options_.keep_alive_interval);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(tick / 4).count();
    return static_cast<int>(std::clamp<int64_t>(ms, 5, 1000));
  }

  void begin(Adoption adoption) {
    const int fd = adoption.connection->fd();
    auto& slot = streams_[fd];
    slot = std::make_unique<Stream>();
    Stream& stream = *slot;
    stream.connection = std::move(adoption.connection);
    stream.response = std::move(adoption.response);
    stream.generator = std::move(adoption.generator);
    stream.since = stream.last_sent = Clock::now();
    epoll_event event{EPOLLRDHUP, {.fd = fd}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return drop(stream);
    if (!guarded(stream, [&] { stream.response->start(stream.out); })) return;
    if (stop_until_ != kNever) return fail(stream);
    for (Request& request : adoption.requests) {
      stream.open.push_back(request.id);
      by_request_[request.id] = &stream;
      stream.generator->submit(std::move(request));
    }
    touch(stream);
  }

  void on_socket(Stream& stream, uint32_t events) {
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) return drop(stream);
    if (events & EPOLLOUT) flush(stream);
  }

  void on_event(const TokenOutput& event) {
    if (event.trace && on_trace_) on_trace_(*event.trace);
    const auto found = by_request_.find(event.request_id);
    if (found == by_request_.end()) return;
    Stream& stream = *found->second;
    if (event.finish != FinishReason::kNone) forget(stream, event.request_id);
    std::vector<RequestId> cancels;
    if (!guarded(stream, [&] { stream.response->on_event(event, stream.out, cancels); })) return;
    for (const RequestId id : cancels)
      if (forget(stream, id)) stream.generator->cancel(id);
    touch(stream);
  }

  // False when it was not open. Its further events are ignored.
  bool forget(Stream& stream, RequestId id) {
    const auto found = std::find(stream.open.begin(), stream.open.end(), id);
    if (found == stream.open.end()) return false;
    stream.open.erase(found);
    by_request_.erase(id);
    return true;
  }

  // Its last event is still to come.
  void cancel_open(RequestId id) {
    const auto found = by_request_.find(id);
    if (found != by_request_.end()) found->second->generator->cancel(id);
  }

  void cancel_all(Stream& stream) {
    for (const RequestId id : stream.open) {
      by_request_.erase(id);
      stream.generator->cancel(id);
    }
    stream.open.clear();
  }

  // False when the response threw: the stream is gone then.
  template <class F>
  bool guarded(Stream& stream, F&& call) {
    try {
      call();
      return true;
    } catch (const std::exception& e) {
      spdlog::error("hub: {}: {}", stream.response->access_line(), escape_for_log(e.what()));
      drop(stream);
      return false;
    }
  }

  void touch(Stream& stream) {
    if (!stream.dirty) dirty_.push_back(stream.connection->fd());
    stream.dirty = true;
  }

  // One send per stream and turn, however many events it had.
  void flush_dirty() {
    std::vector<int> dirty;
    dirty.swap(dirty_);
    for (const int fd : dirty) {
      const auto found = streams_.find(fd);
      if (found == streams_.end() || !found->second->dirty) continue;
      found->second->dirty = false;
      flush(*found->second);
    }
  }

  void flush(Stream& stream) {
    const int fd = stream.connection->fd();
    while (!stream.flushed()) {
      const ssize_t count =
          ::send(fd, stream.out.data() + stream.num_sent, stream.out.size() - stream.num_sent,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      if (count < 0) return drop(stream);
      stream.num_sent += static_cast<size_t>(count);
      stream.num_bytes += static_cast<size_t>(count);
      stream.last_sent = Clock::now();
    }
    const size_t left = stream.out.size() - stream.num_sent;
    const bool finished = stream.response->finished();
    if (left == 0) {
      stream.out.clear();
      stream.num_sent = 0;
      if (finished) return end(stream);
    } else if (!finished && left > options_.max_buffered_bytes) {
      return drop(stream);
    } else if (stream.num_sent > options_.max_buffered_bytes) {
      stream.out.erase(0, stream.num_sent);
      stream.num_sent = 0;
    }
    want_write(stream, left > 0);
  }

  void want_write(Stream& stream, bool on) {
    if (stream.want_write == on) return;
    stream.want_write = on;
    epoll_event event{on ? EPOLLRDHUP | EPOLLOUT : EPOLLRDHUP, {.fd = stream.connection->fd()}};
    CHECK(::epoll_ctl(epoll_, EPOLL_CTL_MOD, stream.connection->fd(), &event) == 0);
  }

  void check_times() {
    const TimePoint now = Clock::now();
    std::vector<Stream*> late, silent;
    for (const auto& [fd, stream] : streams_) {
      if (!stream->flushed() && now - stream->last_sent >= options_.write_timeout)
        late.push_back(stream.get());
      else if (stream->flushed() && options_.keep_alive_interval > Duration::zero() &&
               now - stream->last_sent >= options_.keep_alive_interval)
        silent.push_back(stream.get());
    }
    for (Stream* stream : late) drop(*stream);
    for (Stream* stream : silent) {
      stream->last_sent = now;
      if (guarded(*stream, [&] { stream->response->keep_alive(stream->out); })) flush(*stream);
    }
  }

  void fail_all() {
    {
      MutexLock lock(mu_);
      stop_until_ = Clock::now() + grace_;
    }
    std::vector<Stream*> unfinished;
    for (const auto& [fd, stream] : streams_)
      if (!stream->response->finished()) unfinished.push_back(stream.get());
    for (Stream* stream : unfinished) fail(*stream);
  }

  void fail(Stream& stream) {
    Error error;
    {
      MutexLock lock(mu_);
      error = stop_error_;
    }
    cancel_all(stream);
    if (guarded(stream, [&] { stream.response->fail(error, stream.out); })) flush(stream);
  }

  std::unique_ptr<Stream> release(Stream& stream) {
    cancel_all(stream);
    const int fd = stream.connection->fd();
    auto node = streams_.extract(fd);
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    --num_open_;
    return std::move(node.mapped());
  }

  // Complete and sent.
  void end(Stream& stream) {
    const auto ended = release(stream);
    log_access(ended->response->access_line(), ended->response->status(), ended->num_bytes,
               Clock::now() - ended->since);
    ended->connection->closing = !ended->response->keep_connection();
    on_done_(std::move(ended->connection));
  }

  // The client is gone, too slow, or our own code failed.
  void drop(Stream& stream) {
    const auto ended = release(stream);
    try {
      ended->response->on_disconnect();
    } catch (const std::exception& e) {
      spdlog::error("hub: {}", escape_for_log(e.what()));
    }
    log_access(ended->response->access_line(), kStatusClientGone, ended->num_bytes,
               Clock::now() - ended->since);
  }

  const HubOptions options_;
  const OnDone on_done_;
  const int epoll_, wake_;
  OnTrace on_trace_;

  // The hub's thread alone:
  std::unordered_map<int, std::unique_ptr<Stream>> streams_;  // by socket
  std::unordered_map<RequestId, Stream*> by_request_;
  std::vector<int> dirty_;
  TimePoint stop_until_ = kNever;

  Queue<Adoption> adoptions_;
  Queue<std::vector<RequestId>> aborts_;
  Queue<std::vector<TokenOutput>> events_;
  std::atomic<int> num_open_{0};
  std::atomic<bool> stopping_{false};
  Mutex mu_;
  Error stop_error_ GUARDED_BY(mu_);
  Duration grace_ GUARDED_BY(mu_){};
  std::thread thread_;
};

ResponseHub::ResponseHub(const HubOptions& options, OnDone on_done)
    : impl_(std::make_unique<Impl>(options, std::move(on_done))) {}
ResponseHub::~ResponseHub() {
  stop(Error{ErrorKind::kUnavailable, "the server is shutting down", "", "server_shutdown"},
       Duration::zero());
}

void ResponseHub::start(OnTrace on_trace) { impl_->start(std::move(on_trace)); }
void ResponseHub::stop(const Error& error, Duration grace) { impl_->stop(error, grace); }
void ResponseHub::adopt(std::unique_ptr<Connection> connection, std::unique_ptr<Response> response,
                        std::vector<Request> requests, std::shared_ptr<Generator> generator) {
  impl_->adopt(
      {std::move(connection), std::move(response), std::move(requests), std::move(generator)});
}
void ResponseHub::abort(std::vector<RequestId> ids) { impl_->abort(std::move(ids)); }
void ResponseHub::on_step(std::vector<TokenOutput> events, const StepReport&) {
  if (!events.empty()) impl_->push_events(std::move(events));
}
int ResponseHub::num_open() const { return impl_->num_open(); }

}  // namespace ember
