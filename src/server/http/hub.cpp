// SPDX-License-Identifier: Apache-2.0
#include "ember/server/hub.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>

#include "ember/base/check.h"
#include "ember/base/log.h"
#include "ember/base/mutex.h"
#include "ember/base/queue.h"
#include "http/access_log.h"
#include "http/poller.h"
#include "http/send_buffer.h"

namespace ember {
namespace {

constexpr Duration kLongestWait = std::chrono::seconds(1);
// nginx's number for the access log: the client closed first.
constexpr int kStatusClientGone = 499;

struct Adoption {
  std::shared_ptr<Generator> generator;  // outlives the response, which may use the model
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Response> response;
  std::vector<Request> requests;
};

// One answer and its socket.
struct Stream {
  std::shared_ptr<Generator> generator;  // of its requests; outlives the response, as above
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Response> response;
  std::vector<RequestId> open;  // submitted, without a last event so far
  SendBuffer out;               // appended by the response
  size_t num_bytes = 0;         // sent altogether
  bool want_write = false;      // epoll waits for room
  bool dirty = false;           // in Impl::dirty_
  TimePoint since{};
  TimePoint last_sent{};   // when the client last took a byte, or was offered the first
  TimePoint next_check{};  // of its times; in Impl::checks_
};

}  // namespace

class ResponseHub::Impl {
 public:
  Impl(const HubOptions& options, OnDone on_done)
      : options_(options), on_done_(std::move(on_done)) {}

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
    poller_.wake();
    thread_.join();
  }

  void adopt(Adoption adoption) {
    ++num_open_;
    if (adoptions_.push(std::move(adoption))) poller_.wake();
  }
  void abort(std::vector<RequestId> ids) {
    if (aborts_.push(std::move(ids))) poller_.wake();
  }
  void push_events(std::vector<TokenOutput> events) {
    if (events_.push(std::move(events))) poller_.wake();
  }
  int num_open() const { return num_open_; }

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
    for ([[maybe_unused]] const Adoption& late : adoptions_.take_all()) --num_open_;
  }

  // True at the end.
  bool turn() {
    for (const epoll_event& event : poller_.wait(wait_ms()))
      if (const auto found = streams_.find(event.data.fd); found != streams_.end())
        on_socket(*found->second, event.events);
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

  int wait_ms() const {
    if (stopping_) return 5;
    const TimePoint now = Clock::now();
    TimePoint next = now + kLongestWait;
    if (!checks_.empty()) next = std::min(next, checks_.begin()->first);
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
    return static_cast<int>(std::max<int64_t>(ms, 0));
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
    check_at(stream, stream.since);
    if (!poller_.add(fd, EPOLLRDHUP)) return drop(stream);
    if (!guarded(stream, [&] { stream.response->start(stream.out.bytes); })) return;
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

  void check_at(Stream& stream, TimePoint when) {
    const int fd = stream.connection->fd();
    checks_.erase({stream.next_check, fd});
    stream.next_check = when;
    checks_.insert({when, fd});
  }

  // A stream's deadline moves with every byte, its check does not: it comes at the deadline or
  // before it, and then again. So tokens cost nothing here.
  void check_times() {
    const TimePoint now = Clock::now();
    Duration shortest = std::max<Duration>(options_.write_timeout, std::chrono::milliseconds(1));
    if (options_.keep_alive_interval > Duration::zero())
      shortest = std::min(shortest, options_.keep_alive_interval);
    while (!checks_.empty() && checks_.begin()->first <= now) {
      Stream& stream = *streams_.at(checks_.begin()->second);
      const bool is_due = deadline(stream) <= now;
      if (is_due && stream.out.num_left() > 0) {
        drop(stream);
        continue;
      }
      if (is_due) stream.last_sent = now;
      check_at(stream, std::min(deadline(stream), now + shortest));
      if (is_due && guarded(stream, [&] { stream.response->keep_alive(stream.out.bytes); }))
        flush(stream);
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
    if (guarded(stream, [&] { stream.response->fail(error, stream.out.bytes); })) flush(stream);
  }

  std::unique_ptr<Stream> release(Stream& stream) {
    cancel_all(stream);
    const int fd = stream.connection->fd();
    auto node = streams_.extract(fd);
    poller_.remove(fd);
    checks_.erase({stream.next_check, fd});
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
  OnTrace on_trace_;

  Poller poller_;

  // The hub's thread alone:
  std::unordered_map<int, std::unique_ptr<Stream>> streams_;  // by socket
  std::unordered_map<RequestId, Stream*> by_request_;
  std::vector<int> dirty_;
  std::set<std::pair<TimePoint, int>> checks_;  // one per stream
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
      {std::move(generator), std::move(connection), std::move(response), std::move(requests)});
}
void ResponseHub::abort(std::vector<RequestId> ids) { impl_->abort(std::move(ids)); }
void ResponseHub::on_step(std::vector<TokenOutput> events, const StepReport&) {
  if (!events.empty()) impl_->push_events(std::move(events));
}
int ResponseHub::num_open() const { return impl_->num_open(); }

}  // namespace ember
