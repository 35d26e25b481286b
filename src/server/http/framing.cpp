// SPDX-License-Identifier: Apache-2.0
#include "http/framing.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ember {
namespace {

constexpr size_t kMaxChunkLine = 256;  // size and extensions
constexpr std::string_view kMethods[] = {"GET",    "HEAD",  "POST",   "PUT",
                                         "DELETE", "PATCH", "OPTIONS"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_alnum(char c) { return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z'); }
bool is_token_char(char c) {
  return is_alnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_token(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), is_token_char);
}

bool is_host(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return is_alnum(c) || std::string_view("-._~%!$&'()*+,;=:[]").find(c) != std::string_view::npos;
  });
}

std::string_view trim(std::string_view s) {
  const size_t begin = s.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return s.substr(begin, s.find_last_not_of(" \t") - begin + 1);
}

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (equal_ignoring_case(trim(list.substr(0, comma)), token)) return true;
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

}  // namespace

RequestParser::State RequestParser::state() const {
  switch (part_) {
    case Part::kRequestLine:
    case Part::kHeaders:
      return State::kHead;
    case Part::kDone:
      return State::kDone;
    case Part::kFailed:
      return State::kFailed;
    default:
      return State::kBody;
  }
}

size_t RequestParser::feed(std::string_view data) {
  size_t used = 0;
  while (used < data.size() && part_ != Part::kDone && part_ != Part::kFailed) {
    if (part_ == Part::kBody || part_ == Part::kChunkData) {
      used += add_body(data.substr(used));
    } else {
      add_to_line(data[used++]);
    }
  }
  return used;
}

size_t RequestParser::add_body(std::string_view data) {
  expects_continue_ = false;
  const size_t count = std::min(left_, data.size());
  request_.body.append(data.substr(0, count));
  left_ -= count;
  if (left_ == 0) part_ = part_ == Part::kBody ? Part::kDone : Part::kChunkEnd;
  return count;
}

size_t RequestParser::line_limit() const {
  switch (part_) {
    case Part::kRequestLine:
      return limits_.max_uri_bytes + 32;
    case Part::kChunkSize:
      return kMaxChunkLine;
    case Part::kChunkEnd:
      return 2;
    default:
      return limits_.max_header_line_bytes;
  }
}

// Control characters are refused as they come, so that a TLS handshake or other binary data is not
// waited for.
void RequestParser::add_to_line(char c) {
  if (part_ == Part::kChunkSize) expects_continue_ = false;
  const bool after_cr = !line_.empty() && line_.back() == '\r';
  if (c == '\n') {
    if (!after_cr) return fail(400, "a line must end with CR LF, not with LF alone");
    line_.pop_back();
    end_line();
    line_.clear();
    return;
  }
  const auto byte = static_cast<unsigned char>(c);
  if (after_cr) return fail(400, "CR must be followed by LF");
  if ((byte < 0x20 && c != '\t' && c != '\r') || byte == 0x7f)
    return fail(400, fmt::format("control character 0x{:02x} in the request's head", byte));
  if (line_.size() + 1 >= line_limit() && c != '\r') return fail_line_too_long();
  line_ += c;
}

void RequestParser::fail_line_too_long() {
  switch (part_) {
    case Part::kRequestLine:
      return fail(414, fmt::format("the URI is longer than {} bytes", limits_.max_uri_bytes),
                  "uri_too_long");
    case Part::kChunkSize:
    case Part::kChunkEnd:
      return fail(400, "malformed chunk");
    default:
      return fail(
          431, fmt::format("a header line is longer than {} bytes", limits_.max_header_line_bytes),
          "headers_too_large");
  }
}

void RequestParser::end_line() {
  switch (part_) {
    case Part::kRequestLine:
      return parse_request_line();
    case Part::kHeaders:
      return line_.empty() ? end_of_head() : parse_header();
    case Part::kChunkSize:
      return parse_chunk_size();
    case Part::kChunkEnd:
      if (!line_.empty()) return fail(400, "malformed chunk");
      part_ = Part::kChunkSize;
      return;
    case Part::kTrailers:
      if (line_.empty()) {
        part_ = Part::kDone;
        return;
      }
      return parse_header();
    default:
      return;
  }
}

void RequestParser::parse_request_line() {
  const std::string_view line = line_;
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(400, "malformed request line");
  const std::string_view method = line.substr(0, first),
                         target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!is_token(method) || version.size() != 8 || version.substr(0, 5) != "HTTP/" ||
      !is_digit(version[5]) || version[6] != '.' || !is_digit(version[7]))
    return fail(400, "malformed request line");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return fail(505, "only HTTP/1.1 and HTTP/1.0 are supported", "http_version_not_supported");
  if (target.size() > limits_.max_uri_bytes) return fail_line_too_long();
  http_1_0_ = version == "HTTP/1.0";
  request_.method = method;
  request_.target = target;
  check_method();
  if (part_ == Part::kFailed) return;
  const auto visible = [](char c) { return c > 0x20 && c < 0x7f; };
  if (target.empty() || target[0] != '/' || !std::all_of(target.begin(), target.end(), visible))
    return fail(400, "the request target must be an absolute path of ASCII characters");
  part_ = Part::kHeaders;
}

void RequestParser::check_method() {
  const std::string& method = request_.method;
  const bool known =
      std::find(std::begin(kMethods), std::end(kMethods), method) != std::end(kMethods);
  if (known && method != "TRACE" && method != "CONNECT") return;
  error_.allow = "GET, HEAD, POST, DELETE";
  fail(405, "the method is not allowed", "method_not_allowed");
}

void RequestParser::parse_header() {
  if (++num_lines_ > limits_.max_headers)
    return fail(431, fmt::format("more than {} headers", limits_.max_headers), "headers_too_large");
  const std::string_view line = line_;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return fail(400, "a header line without a colon");
  if (!is_token(line.substr(0, colon)))
    return fail(400, "malformed header name");  // also obs-fold, space before colon
  if (part_ == Part::kTrailers) return;
  request_.headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
}

void RequestParser::end_of_head() {
  num_lines_ = 0;
  if (!check_host() || !check_length() || !check_content()) return;
  check_keep_alive();
  if (part_ == Part::kHeaders) part_ = left_ > 0 ? Part::kBody : Part::kDone;
  if (part_ == Part::kDone) expects_continue_ = false;
}

bool RequestParser::check_host() {
  const auto hosts = request_.header_values("Host");
  if (hosts.size() > 1 || (hosts.empty() && !http_1_0_))
    fail(400, "exactly one Host header is required");
  else if (!hosts.empty() && !is_host(hosts[0]))
    fail(400, "malformed Host header");
  return part_ != Part::kFailed;
}

// RFC 9112, section 6.3, without its leniencies: whatever two parsers could read differently is
// refused.
bool RequestParser::check_length() {
  const auto lengths = request_.header_values("Content-Length"),
             codings = request_.header_values("Transfer-Encoding");
  const std::string& method = request_.method;
  if (!codings.empty()) {
    if (!lengths.empty())
      fail(400, "Content-Length and Transfer-Encoding exclude each other");
    else if (http_1_0_)
      fail(400, "HTTP/1.0 has no Transfer-Encoding");
    else if (codings.size() > 1 || !equal_ignoring_case(codings[0], "chunked"))
      fail(400, "the only Transfer-Encoding supported is chunked");
    else
      part_ = Part::kChunkSize;
    return part_ != Part::kFailed;
  }
  if (lengths.empty()) {
    if (method == "POST" || method == "PUT" || method == "PATCH")
      fail(411, "Content-Length is required", "length_required");
    return part_ != Part::kFailed;
  }
  const std::string_view text = lengths[0];
  if (lengths.size() > 1 || text.empty() ||
      text.find_first_not_of("0123456789") != std::string_view::npos) {
    fail(400, "Content-Length must be one decimal number");
    return false;
  }
  const auto result = std::from_chars(text.data(), text.data() + text.size(), left_);
  if (result.ec != std::errc() || left_ > limits_.max_body_bytes) {
    fail(413, fmt::format("the body is larger than {} bytes", limits_.max_body_bytes),
         "body_too_large");
    return false;
  }
  return true;
}

bool RequestParser::check_content() {
  for (const std::string_view coding : request_.header_values("Content-Encoding")) {
    if (equal_ignoring_case(coding, "identity")) continue;
    fail(415, "the only Content-Encoding supported is identity", "unsupported_media_type");
    return false;
  }
  const auto types = request_.header_values("Content-Type");
  if (request_.method == "POST" &&
      (types.size() > 1 || (types.size() == 1 && !is_json(types[0])))) {
    fail(415, "Content-Type must be application/json, in UTF-8", "unsupported_media_type");
    return false;
  }
  for (const std::string_view expectation : request_.header_values("Expect")) {
    if (http_1_0_) continue;
    if (!equal_ignoring_case(expectation, "100-continue")) {
      fail(417, "the only Expect supported is 100-continue", "expectation_failed");
      return false;
    }
    expects_continue_ = true;
  }
  return true;
}

void RequestParser::check_keep_alive() {
  request_.keep_alive = !http_1_0_;
  for (const std::string_view options : request_.header_values("Connection"))
    if (has_token(options, "close")) request_.keep_alive = false;
}

void RequestParser::parse_chunk_size() {
  const std::string_view line = line_;
  const std::string_view digits = line.substr(0, std::min(line.find(';'), line.size()));
  size_t size = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
  if (result.ec == std::errc::result_out_of_range ||
      (result.ec == std::errc() && result.ptr == digits.data() + digits.size() &&
       size > limits_.max_body_bytes - request_.body.size()))
    return fail(413, fmt::format("the body is larger than {} bytes", limits_.max_body_bytes),
                "body_too_large");
  if (result.ec != std::errc() || result.ptr != digits.data() + digits.size())
    return fail(400, "malformed chunk size");
  left_ = size;
  part_ = size > 0 ? Part::kChunkData : Part::kTrailers;
}

void RequestParser::fail(int status, std::string message, std::string code) {
  part_ = Part::kFailed;
  expects_continue_ = false;
  error_.status = status;
  error_.message = std::move(message);
  error_.code = std::move(code);
}

}  // namespace ember
