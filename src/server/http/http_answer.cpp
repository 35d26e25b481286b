// SPDX-License-Identifier: Apache-2.0
#include "http/http_answer.h"

#include <fmt/format.h>

namespace ember {

namespace {

// Of those that an answer of the hub can have.
const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Internal Server Error";
  }
}

// The id by both names: OpenAI's clients read the first, Anthropic's the second.
std::string common(const AnswerHead& head) {
  return fmt::format("X-Request-Id: {0}\r\nRequest-Id: {0}\r\nConnection: {1}\r\n", head.request_id,
                     head.keep_connection ? "keep-alive" : "close");
}

}  // namespace

std::string json_answer(int status, const AnswerHead& head, const std::string& body,
                        const std::string& more_headers) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}{}\r\n{}",
      status, reason_phrase(status), body.size(), more_headers, common(head), body);
}

std::string stream_head(const AnswerHead& head) {
  return fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: "
      "no-cache\r\nX-Accel-Buffering: no\r\n{}{}\r\n",
      head.chunked ? "Transfer-Encoding: chunked\r\n" : "", common(head));
}

std::string stream_piece(const AnswerHead& head, std::string_view bytes) {
  return head.chunked ? fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes) : std::string(bytes);
}

std::string stream_end(const AnswerHead& head) { return head.chunked ? "0\r\n\r\n" : ""; }

}  // namespace ember
