// SPDX-License-Identifier: Apache-2.0
#include "http/framing.h"

#include <gtest/gtest.h>

#include <random>

namespace ember {
namespace {

// What became of a byte stream: each request, then the error if there was one, and how much was
// consumed.
struct Parsed {
  std::vector<std::string> requests;
  int status = 0;
  size_t num_used = 0;
  bool operator==(const Parsed&) const = default;
};

std::string text_of(const HttpRequest& request) {
  std::string text =
      request.method + "|" + request.target + "|" + (request.keep_alive ? "keep" : "close") + "|";
  for (const auto& [name, value] : request.headers) text += name + "=" + value + ";";
  return text + "|" + request.body;
}

FramingLimits small() {
  return {.max_uri_bytes = 40, .max_header_line_bytes = 40, .max_headers = 4, .max_body_bytes = 50};
}

// Feeds pieces of random size; with `whole`, everything at once.
Parsed parse(std::string_view bytes, std::mt19937& random, bool whole) {
  Parsed parsed;
  RequestParser parser(small());
  while (parsed.num_used < bytes.size()) {
    const size_t left = bytes.size() - parsed.num_used;
    const size_t size = whole ? left : std::min<size_t>(left, 1 + random() % 7);
    parsed.num_used += parser.feed(bytes.substr(parsed.num_used, size));
    if (parser.state() == RequestParser::State::kFailed) {
      parsed.status = parser.error().status;
      break;
    }
    if (parser.state() == RequestParser::State::kDone) {
      parsed.requests.push_back(text_of(parser.take()));
      std::destroy_at(&parser);
      std::construct_at(&parser, small());
    }
  }
  return parsed;
}

Parsed parse(std::string_view bytes) {
  std::mt19937 unused;
  return parse(bytes, unused, true);
}

TEST(RequestParser, ReadsPipelinedRequestsOneByOne) {
  const std::string get = "GET /a?b=c HTTP/1.1\r\nHost: x\r\nA:  b c \r\n\r\n";
  const std::string post =
      "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: x, Close\r\n\r\nhello";
  const std::string chunked =
      "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "Chunked\r\n\r\n3;e=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: "
      "1\r\n\r\n";
  const Parsed parsed = parse(get + chunked + post);
  ASSERT_EQ(parsed.status, 0);
  ASSERT_EQ(parsed.requests.size(), 3u);
  EXPECT_EQ(parsed.requests[0], "GET|/a?b=c|keep|Host=x;A=b c;|");
  EXPECT_EQ(parsed.requests[1], "POST|/p|keep|Host=x;Transfer-Encoding=Chunked;|abc0123456789");
  EXPECT_EQ(parsed.requests[2], "POST|/p|close|Host=x;Content-Length=5;Connection=x, Close;|hello");
}

TEST(RequestParser, Http10ClosesAndNeedsNoHost) {
  EXPECT_EQ(parse("GET / HTTP/1.0\r\n\r\n").requests, std::vector<std::string>{"GET|/|close||"});
}

TEST(RequestParser, LimitsAreExact) {
  const auto with_body = [](int size) {
    return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
           std::string(size, 'a');
  };
  EXPECT_EQ(parse(with_body(50)).requests.size(), 1u);
  EXPECT_EQ(parse(with_body(51)).status, 413);
  EXPECT_EQ(parse("GET /" + std::string(39, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n").requests.size(),
            1u);
  EXPECT_EQ(parse("GET /" + std::string(40, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n").status, 414);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: x\r\nA:1\r\nB:1\r\nC:1\r\n\r\n").requests.size(), 1u);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: x\r\nA:1\r\nB:1\r\nC:1\r\nD:1\r\n\r\n").status, 431);
}

TEST(RequestParser, StopsReadingAtTheFailure) {
  EXPECT_EQ(parse("\x16\x03\x01 anything").num_used, 1u);
}

TEST(RequestParser, ContinueIsExpectedOnlyWithoutABodyYet) {
  RequestParser parser(small());
  parser.feed("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_TRUE(parser.expects_continue());
  parser.feed("a");
  EXPECT_FALSE(parser.expects_continue());
}

// Valid and broken requests, damaged at random: how they are cut into pieces must not matter.
TEST(RequestParser, SplitsDoNotMatter) {
  const std::vector<std::string> seeds = {
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a HTTP/1.0\r\n\r\n",
      "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
      "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"};
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  int num_requests = 0, num_failures = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes;
    for (int n = 1 + static_cast<int>(random() % 3); n > 0; --n)
      bytes += seeds[random() % (seeds.size() - 1 + (random() % 4 == 0))];
    if (random() % 2) bytes[random() % bytes.size()] = "\r\n :0a\0\x80"[random() % 8];
    if (random() % 4 == 0) bytes.erase(random() % bytes.size(), 1);
    const Parsed whole = parse(bytes, random, true), pieces = parse(bytes, random, false);
    ASSERT_EQ(whole, pieces) << testing::PrintToString(bytes);
    num_requests += static_cast<int>(whole.requests.size());
    num_failures += whole.status != 0;
  }
  EXPECT_GT(num_requests, 1000);
  EXPECT_GT(num_failures, 1000);
}

}  // namespace
}  // namespace ember
