// SPDX-License-Identifier: Apache-2.0
#include "http/http_sink.h"

#include <gmock/gmock.h>

namespace ember {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TEST(HttpSink, ABodyHasItsLengthAndFurtherHeaders) {
  HttpSink sink({.request_id = "r"});
  std::string out;
  sink.write_into(out);
  sink.start({.status = 503, .headers = {{"Retry-After", "3"}, {"x", "y"}}});
  EXPECT_EQ(out, "") << "the length is not known yet";
  sink.write("{\"a\":1}");
  sink.end(false);
  EXPECT_THAT(out, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(out, HasSubstr("Content-Length: 7\r\nRetry-After: 3\r\nx: y\r\n"));
  EXPECT_THAT(out, EndsWith("\r\n\r\n{\"a\":1}"));
  EXPECT_TRUE(sink.keep_connection()) << "an error is a whole answer too";
}

TEST(HttpSink, AStreamIsChunkedAndEndsTheConnectionWhenItFails) {
  for (const bool complete : {true, false}) {
    HttpSink sink({.request_id = "r"});
    std::string head, rest;
    sink.write_into(head);
    sink.start({.stream = true});
    EXPECT_THAT(head, HasSubstr("Transfer-Encoding: chunked\r\n"));
    sink.write_into(rest);
    sink.write("data: 1\n\n");
    sink.end(complete);
    EXPECT_EQ(rest, "9\r\ndata: 1\n\n\r\n0\r\n\r\n");
    EXPECT_EQ(sink.keep_connection(), complete);
  }
}

TEST(HttpSink, WithoutChunksTheConnectionEndsTheStream) {
  HttpSink sink({.request_id = "r", .keep_connection = false, .chunked = false});
  std::string out;
  sink.write_into(out);
  sink.start({.stream = true});
  out.clear();
  sink.write("x");
  sink.end(true);
  EXPECT_EQ(out, "x");
}

TEST(HttpSink, AStreamHasFurtherHeadersToo) {
  HttpSink sink({.request_id = "r"});
  std::string out;
  sink.write_into(out);
  sink.start({.stream = true, .headers = {{"X-Ember-Ignored", "include"}}});
  EXPECT_THAT(out, HasSubstr("\r\nX-Ember-Ignored: include\r\n"));
}

}  // namespace
}  // namespace ember
