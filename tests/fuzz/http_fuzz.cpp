// SPDX-License-Identifier: Apache-2.0
// libFuzzer: bytes -> requests. The first byte chooses how the rest is cut into pieces; the outcome
// must not depend on it.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/framing.h"

namespace {

using ember::RequestParser;

constexpr ember::FramingLimits kLimits{
    .max_uri_bytes = 64, .max_header_line_bytes = 128, .max_headers = 8, .max_body_bytes = 256};

void require(bool condition) {
  if (!condition) std::abort();
}

struct Outcome {
  std::vector<std::string> requests;
  int status = 0;
  size_t num_used = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome parse(std::string_view bytes, size_t piece) {
  Outcome outcome;
  auto parser = std::make_unique<RequestParser>(kLimits);
  while (outcome.num_used < bytes.size()) {
    const std::string_view next = bytes.substr(outcome.num_used, piece);
    const size_t used = parser->feed(next);
    require(used > 0 && used <= next.size());
    outcome.num_used += used;
    if (parser->state() == RequestParser::State::kFailed) {
      outcome.status = parser->error().status;
      require(outcome.status >= 400 && parser->feed("GET ") == 0);
      break;
    }
    if (parser->state() != RequestParser::State::kDone) continue;
    require(parser->feed("GET ") == 0);  // one request, and not a byte more
    const ember::HttpRequest request = parser->take();
    require(request.body.size() <= kLimits.max_body_bytes &&
            request.target.size() <= kLimits.max_uri_bytes);
    require(request.headers.size() <= static_cast<size_t>(kLimits.max_headers) &&
            request.target.starts_with('/'));
    const std::string* length = request.header("Content-Length");
    require(!length ||
            (std::stoull(*length) == request.body.size() && !request.header("Transfer-Encoding")));
    outcome.requests.push_back(request.method + ' ' + request.target + ' ' + request.body);
    parser = std::make_unique<RequestParser>(kLimits);
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  require(parse(bytes, bytes.size()) == parse(bytes, 1 + data[0] % 16));
  return 0;
}
