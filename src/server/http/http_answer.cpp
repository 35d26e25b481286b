// SPDX-License-Identifier: Apache-2.0
#include "http/http_answer.h"

#include <fmt/format.h>

#include "http/http_codec.h"
#include "http/http_error.h"

namespace ember {

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Payload Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Internal Server Error";
  }
}

std::string response_bytes(Exchange& exchange) {
  const HttpRequest& request = exchange.request();
  HttpResponse& response = exchange.response();
  auto& headers = response.headers;
  const bool is_head = request.method == "HEAD";
  const std::string* const accepted = request.header("Accept-Encoding");
  if (accepted && !response.body.empty()) {
    const std::string coding = compress(response.body, headers["Content-Type"], *accepted);
    if (!coding.empty()) headers["Content-Encoding"] = coding;
  }
  headers["Content-Length"] = std::to_string(response.body.size());
  headers["X-Request-Id"] = headers["Request-Id"] = exchange.request_id();
  if (is_head) headers["Accept-Ranges"] = "bytes";
  if (response.close || !exchange.keep_alive())
    headers["Connection"] = "close";
  else
    headers["Keep-Alive"] = "timeout=60, max=1000000";
  std::string bytes =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  for (const auto& [name, value] : headers) bytes += name + ": " + value + "\r\n";
  bytes += "\r\n";
  if (!is_head) bytes += response.body;
  return bytes;
}

std::string error_answer(int status, const Error& error, const std::string& request_id,
                         const std::string& more_headers) {
  const std::string body = error_body(error, status);
  return fmt::format(
      "HTTP/1.1 {0} {1}\r\nContent-Type: application/json\r\nContent-Length: {2}\r\nX-Request-Id: "
      "{3}\r\nRequest-Id: {3}\r\n{4}Connection: close\r\n\r\n{5}",
      status, reason_phrase(status), body.size(), request_id, more_headers, body);
}

std::string framing_error_answer(const FramingError& error, const std::string& request_id) {
  const std::string allow = error.allow.empty() ? std::string() : "Allow: " + error.allow + "\r\n";
  return error_answer(error.status, Error{ErrorKind::kInvalid, error.message, "", error.code},
                      request_id, allow);
}

namespace {

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

std::string stream_head(const AnswerHead& head, const std::string& more_headers) {
  return fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: "
      "no-cache\r\nX-Accel-Buffering: no\r\n{}{}{}\r\n",
      head.chunked ? "Transfer-Encoding: chunked\r\n" : "", more_headers, common(head));
}

std::string stream_piece(const AnswerHead& head, std::string_view bytes) {
  return head.chunked ? fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes) : std::string(bytes);
}

std::string stream_end(const AnswerHead& head) { return head.chunked ? "0\r\n\r\n" : ""; }

}  // namespace ember
