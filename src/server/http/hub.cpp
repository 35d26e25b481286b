// SPDX-License-Identifier: Apache-2.0
#include "ember/server/hub.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>

#include "ember/base/log.h"
#include "ember/base/queue.h"
#include "http/access_log.h"
#include "http/deadlines.h"
#include "http/poller.h"
#include "http/send_buffer.h"

namespace ember {
namespace {

constexpr Duration kLongestWait = std::chrono::seconds(1);
// nginx's number for the access log: the client closed first.
constexpr int kStatusClientGone = 499;

// One answer and its socket.
struct Stream {
  std::shared_ptr<Generator> generator;  // outlives the response, which may use the model
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Response> response;
  std::vector<RequestRef> requests;  // to be submitted
  std::vector<RequestId> open = {};  // submitted, without a last event so far
  SendBuffer out = {};               // appended by the response
  size_t num_bytes = 0;              // sent altogether
  bool want_write = false;           // epoll waits for room
  TimePoint since{}, last_sent{};    // last_sent: the client took a byte, or was offered the first
};

struct Stop {
  Error error;
  Duration grace;
};

// No stream's times are looked at less often than this.
Duration check_interval(const HubOptions& options) {
  const Duration interval = std::max<Duration>(options.write_timeout, std::chrono::milliseconds(1));
  return options.keep_alive_interval > Duration::zero()
             ? std::min(interval, options.keep_alive_interval)
             : interval;
}

// False, with a line in the log, when the response threw.
template <class F>
bool attempt(const Response& response, F&& call) {
  try {
    call();
    return true;
  } catch (const std::exception& e) {
    spdlog::error("hub: {}: {}", response.access_line(), escape_for_log(e.what()));
    return false;
  }
}

}  // namespace

class ResponseHub::Impl {
 public:
  Impl(const HubOptions& options, OnDone on_done)
      : options_(options), check_interval_(check_interval(options)), on_done_(std::move(on_done)) {}

  void start(OnTrace on_trace) {
    on_trace_ = std::move(on_trace);
    thread_ = std::thread([this] { loop(); });
  }

  void stop(const Error& error, Duration grace) {
    if (!thread_.joinable()) return;
    post(stops, {error, grace});
    thread_.join();
  }

  // Any thread. Queues an item for the hub's thread.
  template <class T>
  void post(Queue<T>& queue, T item) {
    if (queue.push(std::move(item))) poller_.wake();
  }

  Queue<std::unique_ptr<Stream>> adoptions;
  Queue<std::vector<RequestId>> aborts;
  Queue<std::vector<TokenOutput>> outputs;
  Queue<Stop> stops;
  std::atomic<int> num_open{0};

 private:
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
    num_open -= static_cast<int>(adoptions.take_all().size());
  }

  // True at the end.
  bool turn() {
    const TimePoint latest = Clock::now() + kLongestWait;
    for (const epoll_event& event :
         poller_.wait(std::min({latest, checks_.earliest(), stop_until_})))
      if (const auto found = streams_.find(event.data.fd); found != streams_.end())
        on_socket(*found->second, event.events);
    // Adoptions first: what concerns a request comes after its submission, which happens here.
    for (std::unique_ptr<Stream>& stream : adoptions.take_all()) begin(std::move(stream));
    for (const auto& ids : aborts.take_all())
      for (const RequestId id : ids) cancel_open(id);
    for (const auto& batch : outputs.take_all())
      for (const TokenOutput& event : batch) on_event(event);
    flush_touched();
    check_times();
    for (Stop& stop : stops.take_all()) fail_all(std::move(stop));
    return stop_until_ != kNever && (streams_.empty() || Clock::now() >= stop_until_);
  }

  void begin(std::unique_ptr<Stream> adopted) {
    const int fd = adopted->connection->fd();
    Stream& stream = *(streams_[fd] = std::move(adopted));
    stream.since = stream.last_sent = Clock::now();
    checks_.set(fd, stream.since);
    if (!poller_.add(fd, EPOLLRDHUP)) return drop(stream);
    if (!guarded(stream, [&] { stream.response->start(stream.out.bytes); })) return;
    if (stop_until_ != kNever) return fail(stream);
    for (RequestRef& request : stream.requests) {
      stream.open.push_back(request->id);
      by_request_[request->id] = &stream;
      stream.generator->submit(std::move(request));
    }
    stream.requests.clear();
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
    if (!guarded(stream, [&] { stream.response->on_event(event, stream.out.bytes, cancels); }))
      return;
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
    if (attempt(*stream.response, std::forward<F>(call))) return true;
    drop(stream);
    return false;
  }

  // It may have something to send.
  void touch(const Stream& stream) { touched_.push_back(stream.connection->fd()); }

  // One send per stream and turn, however many events it had.
  void flush_touched() {
    std::vector<int> sockets = std::exchange(touched_, {});
    std::sort(sockets.begin(), sockets.end());
    sockets.erase(std::unique(sockets.begin(), sockets.end()), sockets.end());
    for (const int fd : sockets)
      if (const auto found = streams_.find(fd); found != streams_.end()) flush(*found->second);
  }

  void flush(Stream& stream) {
    const size_t before = stream.out.num_left();
    const SendBuffer::Outcome outcome = stream.out.send_to(stream.connection->fd());
    const size_t left = stream.out.num_left(), sent = before - left;
    stream.num_bytes += sent;
    if (outcome == SendBuffer::Outcome::kBroken) return drop(stream);
    if (sent > 0 || (left > 0 && !stream.want_write)) stream.last_sent = Clock::now();
    const bool finished = stream.response->finished();
    if (left == 0 && finished) return end(stream);
    if (left > options_.max_buffered_bytes && !finished) return drop(stream);
    want_write(stream, left > 0);
  }

  void want_write(Stream& stream, bool on) {
    if (stream.want_write == on) return;
    stream.want_write = on;
    poller_.change(stream.connection->fd(), on ? EPOLLRDHUP | EPOLLOUT : EPOLLRDHUP);
  }

  // When a stream that stays as it is must be cut, or must show a sign of life.
  TimePoint deadline(const Stream& stream) const {
    if (stream.out.num_left() > 0) return stream.last_sent + options_.write_timeout;
    const Duration interval = options_.keep_alive_interval;
    return interval > Duration::zero() ? stream.last_sent + interval : kNever;
  }

  // A stream's deadline moves with every byte, its check does not: it comes at the deadline or
  // before it, and then again. So tokens cost nothing here.
  void check_times() {
    const TimePoint now = Clock::now();
    while (const std::optional<int> fd = checks_.due(now)) {
      Stream& stream = *streams_.at(*fd);
      const bool is_due = deadline(stream) <= now;
      if (is_due && stream.out.num_left() > 0) {
        drop(stream);
        continue;
      }
      if (is_due) stream.last_sent = now;
      checks_.set(*fd, std::min(deadline(stream), now + check_interval_));
      if (is_due && guarded(stream, [&] { stream.response->keep_alive(stream.out.bytes); }))
        flush(stream);
    }
  }

  void fail_all(Stop stop) {
    stop_error_ = std::move(stop.error);
    stop_until_ = Clock::now() + stop.grace;
    std::vector<Stream*> unfinished;
    for (const auto& [fd, stream] : streams_)
      if (!stream->response->finished()) unfinished.push_back(stream.get());
    for (Stream* stream : unfinished) fail(*stream);
  }

  void fail(Stream& stream) {
    cancel_all(stream);
    if (guarded(stream, [&] { stream.response->fail(stop_error_, stream.out.bytes); }))
      flush(stream);
  }

  std::unique_ptr<Stream> release(Stream& stream) {
    cancel_all(stream);
    const int fd = stream.connection->fd();
    auto node = streams_.extract(fd);
    poller_.remove(fd);
    checks_.remove(fd);
    --num_open;
    return std::move(node.mapped());
  }

  // Complete and sent.
  void end(Stream& stream) {
    const auto ended = release(stream);
    log(*ended, ended->response->status());
    ended->connection->closing = !ended->response->keep_connection();
    on_done_(std::move(ended->connection));
  }

  // The client is gone, too slow, or our own code failed.
  void drop(Stream& stream) {
    const auto ended = release(stream);
    attempt(*ended->response, [&] { ended->response->on_disconnect(); });
    log(*ended, kStatusClientGone);
  }

  static void log(const Stream& ended, int status) {
    log_access(ended.response->access_line(), status, ended.num_bytes, Clock::now() - ended.since);
  }

  const HubOptions options_;
  const Duration check_interval_;
  const OnDone on_done_;
  OnTrace on_trace_;
  Poller poller_;

  // The hub's thread alone:
  std::unordered_map<int, std::unique_ptr<Stream>> streams_;  // by socket
  std::unordered_map<RequestId, Stream*> by_request_;
  std::vector<int> touched_;  // sockets
  Deadlines checks_;          // when each stream's times are looked at
  Error stop_error_;
  TimePoint stop_until_ = kNever;

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
                        std::vector<RequestRef> requests, std::shared_ptr<Generator> generator) {
  ++impl_->num_open;
  impl_->post(impl_->adoptions, std::make_unique<Stream>(Stream{.generator = std::move(generator),
                                                                .connection = std::move(connection),
                                                                .response = std::move(response),
                                                                .requests = std::move(requests)}));
}
void ResponseHub::abort(std::vector<RequestId> ids) { impl_->post(impl_->aborts, std::move(ids)); }
void ResponseHub::on_step(std::vector<TokenOutput> events, const StepReport&) {
  if (!events.empty()) impl_->post(impl_->outputs, std::move(events));
}
int ResponseHub::num_open() const { return impl_->num_open; }

}  // namespace ember
