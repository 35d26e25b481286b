// SPDX-License-Identifier: Apache-2.0
#include "http/http_message.h"

#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <random>

#include "ember/base/log.h"
#include "ember/server/http_server.h"

namespace ember {
namespace {

constexpr size_t kMaxLogged = 256;

const char* reason(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
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
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

const char* type_of(int status) {
  return status == 429   ? "rate_limit_error"
         : status >= 500 ? "server_error"
                         : "invalid_request_error";
}

std::string body_of(int status, const Error& error) {
  const auto text_or_null = [](const std::string& s) {
    return s.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(s);
  };
  nlohmann::ordered_json inner;
  inner["message"] = error.message;
  inner["type"] = type_of(status);
  inner["param"] = text_or_null(error.param);
  inner["code"] = text_or_null(error.code);
  nlohmann::ordered_json body;
  body["error"] = std::move(inner);
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

std::string error_body(const Error& error) { return body_of(http_status(error), error); }

int http_status(const Error& error) {
  if (error.code == "invalid_api_key") return 401;
  if (error.code == "deadline_exceeded") return 504;
  if (error.code == "cross_origin") return 403;
  switch (error.kind) {
    case ErrorKind::kInvalid:
      return 400;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kTooLarge:
      return 413;
    case ErrorKind::kBusy:
      return 429;
    case ErrorKind::kUnavailable:
      return 503;
    case ErrorKind::kInternal:
      return 500;
  }
  return 500;
}

std::string error_answer(int status, const Error& error, const std::string& request_id,
                         const std::string& extra_headers) {
  const std::string body = body_of(status, error);
  return fmt::format(
      "HTTP/1.1 {0} {1}\r\nContent-Type: application/json\r\nContent-Length: {2}\r\nX-Request-Id: "
      "{3}\r\nRequest-Id: {3}\r\n{4}Connection: "
      "close\r\n\r\n{5}",
      status, reason(status), body.size(), request_id, extra_headers, body);
}

std::string framing_error_answer(const FramingError& error, const std::string& request_id) {
  const std::string allow = error.allow.empty() ? std::string() : "Allow: " + error.allow + "\r\n";
  return error_answer(error.status, Error{ErrorKind::kInvalid, error.message, "", error.code},
                      request_id, allow);
}

std::string request_id_for(const FramedRequest& request) {
  static const uint64_t start = (uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  static std::atomic<uint64_t> count{0};
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  };
  const std::string* given = request.header("X-Request-Id");
  if (given && !given->empty() && given->size() <= 128 &&
      std::all_of(given->begin(), given->end(), allowed))
    return *given;
  return fmt::format("req-{:016x}", start + count.fetch_add(1, std::memory_order_relaxed));
}

std::string escape_for_log(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxLogged)) {
    if (c > 0x20 && c < 0x7f && c != '\\')
      out += c;
    else
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  if (text.size() > kMaxLogged) out += "...";
  return out;
}

std::string access_line(const FramedRequest& request, const std::string& request_id) {
  const auto or_dash = [](const std::string& s) {
    return s.empty() ? std::string("-") : escape_for_log(s);
  };
  return fmt::format("{} {} {}", or_dash(request.method), or_dash(request.target), request_id);
}

void log_access(const std::string& line, int status, size_t num_bytes, Duration taken) {
  spdlog::info("http {} status={} bytes={} ms={:.1f}", line, status, num_bytes,
               seconds(taken) * 1e3);
}

}  // namespace ember
