// SPDX-License-Identifier: Apache-2.0
#include "http/framing.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ember {
namespace {

constexpr size_t kMaxChunkLine = 256;  // size and extensions

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
    if (!after_cr) return fail({400, "a line must end with CR LF, not with LF alone"});
    line_.pop_back();
    end_line();
    line_.clear();
    return;
  }
  const auto byte = static_cast<unsigned char>(c);
  if (after_cr) return fail({400, "CR must be followed by LF"});
  if ((byte < 0x20 && c != '\t' && c != '\r') || byte == 0x7f)
    return fail({400, fmt::format("control character 0x{:02x} in the request's head", byte)});
  if (line_.size() + 1 >= line_limit() && c != '\r') return fail(line_too_long());
  line_ += c;
}

FramingError RequestParser::line_too_long() const {
  if (part_ == Part::kRequestLine)
    return {414, fmt::format("the URI is longer than {} bytes", limits_.max_uri_bytes),
            "uri_too_long"};
  if (part_ == Part::kChunkSize || part_ == Part::kChunkEnd) return {400, "malformed chunk"};
  return {431, fmt::format("a header line is longer than {} bytes", limits_.max_header_line_bytes),
          "headers_too_large"};
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
      if (!line_.empty()) return fail({400, "malformed chunk"});
      part_ = Part::kChunkSize;
      return;
    case Part::kTrailers:
      if (!line_.empty()) return parse_header();
      part_ = Part::kDone;
      return;
    default:
      return;
  }
}

void RequestParser::parse_request_line() {
  const std::string_view line = line_;
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return fail({400, "malformed request line"});
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!is_token(method) || version.size() != 8 || !version.starts_with("HTTP/") ||
      !is_digit(version[5]) || version[6] != '.' || !is_digit(version[7]))
    return fail({400, "malformed request line"});
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return fail({505, "only HTTP/1.1 and HTTP/1.0 are supported", "http_version_not_supported"});
  if (target.size() > limits_.max_uri_bytes) return fail(line_too_long());
  request_.http_1_0 = version == "HTTP/1.0";
  request_.method = method;
  request_.target = target;
  if (auto fault = check_method(request_)) return fail(std::move(*fault));
  if (auto fault = check_target(request_)) return fail(std::move(*fault));
  part_ = Part::kHeaders;
}

void RequestParser::parse_header() {
  if (++num_lines_ > limits_.max_headers)
    return fail(
        {431, fmt::format("more than {} headers", limits_.max_headers), "headers_too_large"});
  const std::string_view line = line_;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return fail({400, "a header line without a colon"});
  if (!is_token(line.substr(0, colon)))
    return fail({400, "malformed header name"});  // also obs-fold, space before colon
  if (part_ == Part::kTrailers) return;
  request_.headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
}

void RequestParser::end_of_head() {
  num_lines_ = 0;
  BodyFraming body;
  if (auto fault = check_head(request_, limits_, body)) return fail(std::move(*fault));
  left_ = body.length;
  part_ = body.chunked ? Part::kChunkSize : left_ > 0 ? Part::kBody : Part::kDone;
  expects_continue_ = body.expects_continue && part_ != Part::kDone;
}

void RequestParser::parse_chunk_size() {
  const std::string_view line = line_;
  const std::string_view digits = line.substr(0, std::min(line.find(';'), line.size()));
  size_t size = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
  if (result.ec == std::errc::result_out_of_range ||
      (result.ec == std::errc() && result.ptr == digits.data() + digits.size() &&
       size > limits_.max_body_bytes - request_.body.size()))
    return fail({413, fmt::format("the body is larger than {} bytes", limits_.max_body_bytes),
                 "body_too_large"});
  if (result.ec != std::errc() || result.ptr != digits.data() + digits.size())
    return fail({400, "malformed chunk size"});
  left_ = size;
  part_ = size > 0 ? Part::kChunkData : Part::kTrailers;
}

void RequestParser::fail(FramingError error) {
  part_ = Part::kFailed;
  expects_continue_ = false;
  error_ = std::move(error);
}

}  // namespace ember
