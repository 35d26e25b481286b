#include "ember/server/http_error.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

std::string body(const std::string& message, const char* type, const std::string& param, const std::string& code) {
  const auto text_or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  const Json json = {{"error", {{"message", message}, {"type", type}, {"param", text_or_null(param)}, {"code", text_or_null(code)}}}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const char* type_of(int status) { return status == 429 ? "rate_limit_error" : status >= 500 ? "server_error" : "invalid_request_error"; }

}  // namespace

int http_status(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kInvalid: return 400;
    case ErrorKind::kUnauthorized: return 401;
    case ErrorKind::kNotFound: return 404;
    case ErrorKind::kTooLarge: return 413;
    case ErrorKind::kBusy: return 429;
    case ErrorKind::kUnavailable: return 503;
    case ErrorKind::kDeadline: return 504;
    case ErrorKind::kInternal: return 500;
  }
  return 500;
}

std::string error_body(const Error& error) { return body(error.message, type_of(http_status(error)), error.param, error.code); }
std::string error_body(int status, const std::string& message, const std::string& code) { return body(message, type_of(status), "", code); }

const char* reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return status < 500 ? "Bad Request" : "Internal Server Error";
  }
}

std::string shown(const std::string& text, size_t max_bytes) {
  std::string result = "\"";
  for (size_t i = 0; i < text.size() && i < max_bytes; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') result += '\\';
    if (c < 0x20 || c == 0x7f) result += fmt::format("\\x{:02x}", c);
    else result += static_cast<char>(c);
  }
  return result + (text.size() > max_bytes ? "\"..." : "\"");
}

}  // namespace ember
