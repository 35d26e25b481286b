// SPDX-License-Identifier: Apache-2.0
#include "http/http_answer.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

std::string answer_to(const HttpRequest& request, const HttpResponse& response) {
  Exchange exchange(request, "id", nullptr);
  exchange.response() = response;
  return response_bytes(exchange);
}

TEST(ResponseBytes, HasTheHeadersOfTheHandlerAndItsOwn) {
  HttpResponse response{.status = 404, .headers = {{"Allow", "GET"}}, .body = {}};
  response.set_content("none", "text/plain");
  EXPECT_EQ(answer_to({.method = "GET", .target = "/", .keep_alive = true}, response),
            "HTTP/1.1 404 Not Found\r\nAllow: GET\r\nContent-Length: 4\r\nContent-Type: "
            "text/plain\r\nKeep-Alive: timeout=60, max=1000000\r\nRequest-Id: id\r\nX-Request-Id: "
            "id\r\n\r\nnone");
}

TEST(ResponseBytes, HeadHasTheLengthButNoBody) {
  HttpResponse response;
  response.set_content("none", "text/plain");
  const std::string bytes = answer_to({.method = "HEAD", .target = "/"}, response);
  EXPECT_NE(bytes.find("Content-Length: 4\r\n"), std::string::npos);
  EXPECT_TRUE(bytes.ends_with("\r\n\r\n")) << bytes;
}

TEST(ResponseBytes, SaysWhenTheConnectionEnds) {
  const std::string close = "\r\nConnection: close\r\n";
  const HttpRequest keep{.method = "GET", .target = "/", .keep_alive = true};
  const HttpRequest end{.method = "GET", .target = "/"};
  EXPECT_EQ(answer_to(keep, {}).find(close), std::string::npos);
  EXPECT_NE(answer_to(end, {}).find(close), std::string::npos);
  EXPECT_NE(answer_to(keep, {.headers = {}, .body = {}, .close = true}).find(close),
            std::string::npos);
}

TEST(ResponseBytes, CompressesWhatTheClientCanRead) {
  HttpResponse response;
  response.set_content(std::string(1000, 'a'), "application/json");
  const HttpRequest request{
      .method = "GET", .target = "/", .headers = {{"accept-encoding", "gzip"}}};
  const std::string bytes = answer_to(request, response);
  EXPECT_NE(bytes.find("\r\nContent-Encoding: gzip\r\n"), std::string::npos);
  EXPECT_LT(bytes.size(), 500u);
  EXPECT_EQ(answer_to(request, {}).find("Content-Encoding"), std::string::npos) << "nothing to do";
}

TEST(FramingErrorAnswer, IsAWholeAnswer) {
  const std::string answer = framing_error_answer({405, "m", "c", "GET"}, "id");
  EXPECT_EQ(answer.find("HTTP/1.1 405 Method Not Allowed\r\n"), 0u);
  EXPECT_NE(answer.find("\r\nAllow: GET\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\nX-Request-Id: id\r\nRequest-Id: id\r\n"), std::string::npos);
  const size_t body = answer.find("\r\n\r\n") + 4;
  EXPECT_NE(answer.find("Content-Length: " + std::to_string(answer.size() - body) + "\r\n"),
            std::string::npos);
}

TEST(JsonAnswer, IsWhole) {
  EXPECT_EQ(json_answer(503, {.request_id = "id"}, "{}", "Retry-After: 1\r\n"),
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: "
            "2\r\nRetry-After: 1\r\nX-Request-Id: id\r\nRequest-Id: id\r\nConnection: "
            "keep-alive\r\n\r\n{}");
}

TEST(StreamHead, AnnouncesChunksOrTheConnectionsEnd) {
  const AnswerHead chunked{.request_id = "id"};
  const AnswerHead plain{.request_id = "id", .keep_connection = false, .chunked = false};
  EXPECT_NE(stream_head(chunked).find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(stream_head(plain).find("Transfer-Encoding"), std::string::npos);
  EXPECT_NE(stream_head(plain).find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_EQ(stream_piece(chunked, "0123456789abcdef!"), "11\r\n0123456789abcdef!\r\n");
  EXPECT_EQ(stream_piece(plain, "abc"), "abc");
  EXPECT_EQ(stream_end(chunked), "0\r\n\r\n");
  EXPECT_EQ(stream_end(plain), "");
}

}  // namespace
}  // namespace ember
