// SPDX-License-Identifier: Apache-2.0
// HTTP/1.x request framing: where one request ends and the next begins, decided strictly and
// without sockets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "ember/server/exchange.h"
#include "http/request_head.h"

namespace ember {

// Reads one request. After kDone or kFailed it is used up; a failure leaves no way to find the next
// request's start.
class RequestParser {
 public:
  enum class State { kHead, kBody, kDone, kFailed };

  explicit RequestParser(const FramingLimits& limits) : limits_(limits) {}

  // Takes the bytes that belong to this request and returns their number. The result does not
  // depend on how the bytes are split over calls.
  size_t feed(std::string_view data);

  State state() const;
  // True while in kBody when the client waits for "100 Continue" before it sends the body.
  bool expects_continue() const { return expects_continue_; }
  HttpRequest take() { return std::move(request_); }  // in kDone; without its path
  const HttpRequest& request() const { return request_; }
  const FramingError& error() const { return error_; }  // in kFailed

 private:
  enum class Part {
    kRequestLine,
    kHeaders,
    kBody,
    kChunkSize,
    kChunkData,
    kChunkEnd,
    kTrailers,
    kDone,
    kFailed
  };

  void add_to_line(char c);
  FramingError line_too_long() const;
  void end_line();
  void parse_request_line();
  void parse_header();
  void end_of_head();
  void parse_chunk_size();
  size_t add_body(std::string_view data);
  size_t line_limit() const;
  void fail(FramingError error);

  const FramingLimits limits_;
  Part part_ = Part::kRequestLine;
  bool expects_continue_ = false;
  std::string line_;   // without its CRLF, except a CR that waits for its LF
  int num_lines_ = 0;  // headers, or trailers
  size_t left_ = 0;    // bytes of the body or chunk still to come
  HttpRequest request_;
  FramingError error_;
};

}  // namespace ember
