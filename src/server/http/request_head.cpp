// SPDX-License-Identifier: Apache-2.0
#include "http/request_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ember {
namespace {

using Fault = std::optional<FramingError>;

constexpr std::string_view kMethods[] = {"GET",    "HEAD",  "POST",   "PUT",
                                         "DELETE", "PATCH", "OPTIONS"};

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Alphanumeric, or one of `others`.
bool consists_of(std::string_view text, std::string_view others) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [others](char c) {
    return is_alnum(c) || others.find(c) != std::string_view::npos;
  });
}

bool is_host(std::string_view text) { return consists_of(text, "-._~%!$&'()*+,;=:[]"); }

// Whether a comma-separated list has the element `wanted`, in any case.
bool lists(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (equal_ignoring_case(trim(list.substr(0, comma)), wanted)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// "application/json", alone or with charset=utf-8.
bool is_json(std::string_view type) {
  const size_t semicolon = std::min(type.find(';'), type.size());
  if (!equal_ignoring_case(trim(type.substr(0, semicolon)), "application/json")) return false;
  const std::string_view parameter = trim(type.substr(std::min(semicolon + 1, type.size())));
  return parameter.empty() || equal_ignoring_case(parameter, "charset=utf-8") ||
         equal_ignoring_case(parameter, "charset=\"utf-8\"");
}

Fault check_host(const HttpRequest& request) {
  const auto hosts = request.header_values("Host");
  if (hosts.size() > 1 || (hosts.empty() && !request.http_1_0))
    return FramingError{400, "exactly one Host header is required"};
  if (!hosts.empty() && !is_host(hosts[0])) return FramingError{400, "malformed Host header"};
  return {};
}

Fault check_chunked(const HttpRequest& request) {
  const auto codings = request.header_values("Transfer-Encoding");
  if (request.header("Content-Length"))
    return FramingError{400, "Content-Length and Transfer-Encoding exclude each other"};
  if (request.http_1_0) return FramingError{400, "HTTP/1.0 has no Transfer-Encoding"};
  if (codings.size() > 1 || !equal_ignoring_case(codings[0], "chunked"))
    return FramingError{400, "the only Transfer-Encoding supported is chunked"};
  return {};
}

// RFC 9112, section 6.3, without its leniencies: whatever two parsers could read differently is
// refused.
Fault check_length(const HttpRequest& request, size_t max_bytes, BodyFraming& body) {
  body.chunked = request.header("Transfer-Encoding") != nullptr;
  if (body.chunked) return check_chunked(request);
  const auto lengths = request.header_values("Content-Length");
  const std::string& method = request.method;
  if (lengths.empty()) {
    if (method == "POST" || method == "PUT" || method == "PATCH")
      return FramingError{411, "Content-Length is required", "length_required"};
    return {};
  }
  const std::string_view text = lengths[0];
  if (lengths.size() > 1 || text.empty() ||
      text.find_first_not_of("0123456789") != std::string_view::npos)
    return FramingError{400, "Content-Length must be one decimal number"};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), body.length);
  if (result.ec != std::errc() || body.length > max_bytes)
    return FramingError{413, fmt::format("the body is larger than {} bytes", max_bytes),
                        "body_too_large"};
  return {};
}

Fault check_content(const HttpRequest& request) {
  for (const std::string_view coding : request.header_values("Content-Encoding"))
    if (!equal_ignoring_case(coding, "identity"))
      return FramingError{415, "the only Content-Encoding supported is identity",
                          "unsupported_media_type"};
  const auto types = request.header_values("Content-Type");
  if (request.method == "POST" && (types.size() > 1 || (types.size() == 1 && !is_json(types[0]))))
    return FramingError{415, "Content-Type must be application/json, in UTF-8",
                        "unsupported_media_type"};
  return {};
}

Fault check_expectations(const HttpRequest& request, BodyFraming& body) {
  for (const std::string_view expectation : request.header_values("Expect")) {
    if (!equal_ignoring_case(expectation, "100-continue"))
      return FramingError{417, "the only Expect supported is 100-continue", "expectation_failed"};
    body.expects_continue = true;
  }
  return {};
}

}  // namespace

bool is_token(std::string_view text) { return consists_of(text, "!#$%&'*+-.^_`|~"); }

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::optional<FramingError> check_method(const HttpRequest& request) {
  if (std::find(std::begin(kMethods), std::end(kMethods), request.method) != std::end(kMethods))
    return {};
  return FramingError{405, "the method is not allowed", "method_not_allowed",
                      "GET, HEAD, POST, DELETE"};
}

std::optional<FramingError> check_target(const HttpRequest& request) {
  const std::string& target = request.target;
  const auto visible = [](char c) { return c > 0x20 && c < 0x7f; };
  if (target.starts_with('/') && std::all_of(target.begin(), target.end(), visible)) return {};
  return FramingError{400, "the request target must be an absolute path of ASCII characters"};
}

std::optional<FramingError> check_head(HttpRequest& request, const FramingLimits& limits,
                                       BodyFraming& body) {
  if (Fault fault = check_host(request)) return fault;
  if (Fault fault = check_length(request, limits.max_body_bytes, body)) return fault;
  if (Fault fault = check_content(request)) return fault;
  if (!request.http_1_0)  // which has no expectations
    if (Fault fault = check_expectations(request, body)) return fault;
  request.keep_alive = !request.http_1_0;
  for (const std::string_view options : request.header_values("Connection"))
    if (lists(options, "close")) request.keep_alive = false;
  return {};
}

}  // namespace ember
