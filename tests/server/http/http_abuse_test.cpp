// SPDX-License-Identifier: Apache-2.0
// Malformed, oversized and smuggled requests over a real socket: each gets its status and ends the
// connection, and nothing hidden inside it is answered.
#include "loopback.h"

namespace ember {
namespace {

struct Case {
  const char* id;
  std::string bytes;
  std::vector<int> statuses;  // of all answers on the connection
  bool closed = true;         // by the server; else it answers another request afterwards
  std::string contains = {};  // somewhere in the answers
};

const std::string kInner = get("/health");
const std::string kPost = "POST /echo HTTP/1.1\r\nHost: a\r\n";

HttpOptions small_limits() {
  HttpOptions options;
  options.max_body_bytes = 1000;
  options.header_timeout = options.body_timeout = std::chrono::milliseconds(400);
  options.num_threads = 2;
  return options;
}

std::string many_headers(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += "X-" + std::to_string(i) + ": 1\r\n";
  return out;
}

std::string one_byte_chunks(int count) {
  std::string out = kPost + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < count; ++i) out += "1\r\na\r\n";
  return out + "0\r\n\r\n";
}

std::vector<Case> head_cases() {
  return {
      {"unknown-method", "FOO /health HTTP/1.1\r\nHost: a\r\n\r\n", {405}},
      {"get-on-a-post-route", get("/echo"), {405}, false, "\r\nAllow: POST\r\n"},
      {"method-trace", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", {405}, true, "\r\nAllow: "},
      {"method-connect", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", {405}},
      {"method-preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}},
      {"version-0.9", "GET /health\r\n\r\n", {400}},
      {"version-9.9", "GET /health HTTP/9.9\r\nHost: a\r\n\r\n", {505}},
      {"version-2.0", "GET /health HTTP/2.0\r\nHost: a\r\n\r\n", {505}},
      {"version-1.1x", "GET /health HTTP/1.1x\r\nHost: a\r\n\r\n", {400}},
      {"host-none", "GET /health HTTP/1.1\r\n\r\n", {400}},
      {"host-two", "GET /health HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", {400}},
      {"host-space", "GET /health HTTP/1.1\r\nHost: a b\r\n\r\n", {400}},
      {"host-cr", "GET /health HTTP/1.1\r\nHost: a\rb\r\n\r\n", {400}},
      {"tls", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), {400}},
      {"path-unknown", get("/v1/nope"), {404}, false, "\"code\":\"not_found\""},
      {"path-double-slash", get("//health"), {404}, false},
      {"path-trailing-slash", get("/health/"), {404}, false},
      {"path-dots", get("/%2e%2e/etc/passwd"), {404}, false},
      {"path-bad-escape", get("/%zz"), {404}, false},
      {"path-nul", get("/%00"), {404}, false},
      {"path-overlong", get("/%c0%af"), {404}, false},
      {"path-raw-bytes", get("/\xc0\xaf"), {400}},
      {"long-uri", get("/" + std::string(9000, 'a')), {414}},
      {"uri-long-but-legal", get("/" + std::string(8000, 'a')), {404}, false},
      {"long-header", get("/health", "X: " + std::string(9000, 'a') + "\r\n"), {431}},
      {"too-many-headers", get("/health", many_headers(100)), {431}},
      {"headers-just-enough", get("/health", many_headers(99)), {200}, false},
      {"headers-endless", "GET /health HTTP/1.1\r\nHost: a\r\n" + many_headers(20000), {431}},
      {"no-colon", get("/health", "nonsense\r\n"), {400}},
      {"header-fold", get("/health", "X: a\r\n b\r\n"), {400}},
      {"header-nul", get("/health", std::string("X: a\0b\r\n", 8)), {400}},
      {"header-cr", get("/health", "X: a\rb\r\n"), {400}},
      {"header-lf", "GET /health HTTP/1.1\nHost: a\n\n", {400}},
      {"unfinished-head", "GET /health HTTP/1.1\r\nHo", {408}},
      {"request-id-encoded",
       get("/health", "X-Request-Id: a%0d%0aSet-Cookie: z\r\n"),
       {200},
       false,
       "\r\nX-Request-Id: req-"},
      {"request-id-own",
       get("/health", "X-Request-Id: abc-1.2_Z\r\n"),
       {200},
       false,
       "\r\nX-Request-Id: abc-1.2_Z\r\n"},
      {"accept", get("/health", "Accept: image/;;q=x,,\r\n"), {200}, false},
      {"range", get("/health", "Range: bytes=1-\r\n"), {200}, false, "ok"},
      {"bad-range", get("/health", "Range: nonsense\r\n"), {200}, false, "ok"},
      {"x-forwarded-for", get("/health", "X-Forwarded-For: ,\r\n"), {200}, false},
      {"remote-addr", get("/health", "REMOTE_ADDR: 1.2.3.4\r\n"), {200}, false},
      {"handler-throws", get("/throw"), {500}, false, "\"type\":\"server_error\""},
      {"options",
       "OPTIONS /health HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n",
       {405},
       false,
       "\r\nAllow: GET, HEAD\r\n"},
      {"upgrade-websocket",
       get("/health", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
       {200},
       false},
      {"upgrade-h2c",
       get("/health",
           "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"),
       {200},
       false},
  };
}

std::vector<Case> body_cases() {
  const std::string chunked = kPost + "Transfer-Encoding: chunked\r\n";
  return {
      {"length-and-chunked",
       kPost + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kInner,
       {400}},
      {"framing-gzip-chunked", kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n" + kInner, {400}},
      {"framing-xchunked", kPost + "Transfer-Encoding: xchunked\r\n\r\n" + kInner, {400}},
      {"framing-twice", chunked + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kInner, {400}},
      {"framing-space", kPost + "Content-Length : 0\r\n\r\n" + kInner, {400}},
      {"framing-plus", kPost + "Content-Length: +4\r\n\r\n" + kInner, {400}},
      {"framing-word", kPost + "Content-Length: abc\r\n\r\n" + kInner, {400}},
      {"framing-list", kPost + "Content-Length: 5, 5\r\n\r\n" + kInner, {400}},
      {"framing-differing",
       kPost + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + kInner,
       {400}},
      {"framing-identical",
       kPost + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + kInner,
       {400}},
      {"framing-1.0",
       "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kInner,
       {400}},
      {"body-on-get",
       "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kInner.size()) +
           "\r\n\r\n" + kInner,
       {200},
       false},
      {"body-on-404", post("/nope", kInner), {404}, false},
      {"length-0-and-chunked",
       kPost + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kInner,
       {400}},
      {"neither-length-nor-chunked", kPost + "\r\n" + kInner, {411}},
      {"length-above-the-limit", kPost + "Content-Length: 1001\r\n\r\nhello", {413}},
      {"length-huge", kPost + "Content-Length: 99999999999999999999999\r\n\r\n", {413}},
      {"chunks-above-the-limit",
       chunked + "\r\n3e9\r\n" + std::string(1001, 'a') + "\r\n0\r\n\r\n",
       {413}},
      {"body-at-the-limit", post("/echo", std::string(1000, 'a')), {200}, false},
      {"stalled-body", kPost + "Content-Length: 10\r\n\r\nhello", {408}},
      {"chunk-of-2^64-1", chunked + "\r\nffffffffffffffff\r\nabc", {413}},
      {"chunk-wider", chunked + "\r\nfffffffffffffffff\r\nabc", {413}},
      {"chunk-negative", chunked + "\r\n-1\r\nabc", {400}},
      {"chunk-0x", chunked + "\r\n0x1\r\na\r\n0\r\n\r\n", {400}},
      {"chunk-overrun", chunked + "\r\n1\r\nab\r\n0\r\n\r\n", {400}},
      {"chunk-unfinished", chunked + "\r\n1\r\na\r\n", {408}},
      {"chunk-trailers", chunked + "\r\n1;x=y\r\na\r\n0\r\nX-T: 1\r\n\r\n", {200}, false},
      {"one-byte-chunks", one_byte_chunks(1000), {200}, false},
      {"chunks-over", one_byte_chunks(1001), {413}},
      {"expectation-unknown", kPost + "Content-Length: 2\r\nExpect: x\r\n\r\n", {417}},
      {"expectation-and-too-long",
       kPost + "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
       {413}},
      {"encoding-gzip", post("/echo", "x", "Content-Encoding: gzip\r\n"), {415}},
      {"encoding-zstd", post("/echo", "x", "Content-Encoding: zstd\r\n"), {415}},
      {"multipart",
       post("/echo", "x",
            "Content-Type: multipart/form-data; boundary=x; filename*=" + std::string(7000, 'a') +
                "\r\n"),
       {415}},
      {"type-missing", post("/echo", "{}"), {200}, false},
      {"type-json",
       post("/echo", "{}", "Content-Type: Application/JSON; charset=UTF-8\r\n"),
       {200},
       false},
      {"type-text", post("/echo", "{}", "Content-Type: text/plain\r\n"), {415}},
      {"type-utf16",
       post("/echo", "{}", "Content-Type: application/json; charset=utf-16\r\n"),
       {415}},
  };
}

void check(const TestServer& server, const Case& c) {
  SCOPED_TRACE(c.id);
  Client client = server.connect();
  client.send(c.bytes);
  std::string all;
  for (const int status : c.statuses) {
    const std::string answer = client.read_answer();
    EXPECT_EQ(status_of(answer), status) << answer;
    EXPECT_NE(answer.find("\r\nX-Request-Id: "), std::string::npos) << answer;
    EXPECT_EQ(answer.find("secret"), std::string::npos);
    EXPECT_EQ(answer.find("\r\nSet-Cookie"), std::string::npos);
    if (status >= 400) {
      EXPECT_NE(answer.find("\r\nContent-Type: application/json\r\n"), std::string::npos) << answer;
      EXPECT_NE(answer.find("\r\n\r\n{\"error\":{\"message\":"), std::string::npos) << answer;
    }
    EXPECT_EQ(answer.find("\r\nConnection: close\r\n") != std::string::npos, c.closed) << answer;
    all += answer;
  }
  EXPECT_NE(all.find(c.contains), std::string::npos) << all;
  if (!c.closed) {
    client.send(post("/echo", "golden", "Connection: close\r\n"));
    EXPECT_TRUE(client.read_answer().ends_with("\r\n\r\ngolden"));
  }
  EXPECT_EQ(client.read_all(), "") << "an answer too many";
}

TEST(HttpAbuse, Heads) {
  TestServer server(small_limits());
  for (const Case& c : head_cases()) check(server, c);
}

TEST(HttpAbuse, Bodies) {
  TestServer server(small_limits());
  for (const Case& c : body_cases()) check(server, c);
}

TEST(HttpAbuse, TrickledBodyEndsAtTheDeadline) {
  TestServer server(small_limits());
  Client client = server.connect();
  client.send(kPost + "Content-Length: 900\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    client.send("a");
    ::usleep(60000);
  }
  EXPECT_EQ(status_of(client.read_answer()), 408);
}

TEST(HttpAbuse, ClientGoneInTheMiddleLeavesNothing) {
  TestServer server(small_limits());
  for (int i = 0; i < 20; ++i) server.connect().send(kPost + "Content-Length: 10\r\n\r\nhello");
  check(server, {"golden", get("/health"), {200}, false});
}

TEST(HttpAbuse, ContinueComesBeforeTheBody) {
  TestServer server(small_limits());
  Client client = server.connect();
  client.send(kPost + "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(client.read_until("HTTP/1.1 100 Continue\r\n\r\n"));
  client.received.clear();
  client.send("{}");
  EXPECT_TRUE(client.read_answer().ends_with("\r\n\r\n{}"));
}

}  // namespace
}  // namespace ember
