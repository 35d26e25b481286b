// SPDX-License-Identifier: Apache-2.0
#include "api/error_answer.h"

#include <gtest/gtest.h>

#include "http/http_error.h"
#include "server/api_parts.h"

namespace ember {
namespace {

TEST(ErrorBodyFor, HasTheShapeOfItsApi) {
  const Error error = invalid("top_p", "top_p \"x\" is wrong.");
  EXPECT_EQ(
      error_body_for("/v1/messages", error),
      R"({"type":"error","error":{"type":"invalid_request_error","message":"top_p \"x\" is wrong."}})");
  EXPECT_EQ(error_body_for("/v1/completions", error), error_body(error));
  EXPECT_NE(error_body_for("/v1/messages", Error{ErrorKind::kBusy, "full", "", "queue_full"})
                .find("rate_limit_error"),
            std::string::npos);
}

HttpResponse answer_to(const std::string& path, const Error& error) {
  ApiParts parts;
  Exchange exchange({.method = "GET", .target = path}, "id", nullptr);
  answer_error(parts.generation, error, exchange);
  return exchange.response();
}

TEST(AnswerError, SaysHowToAskAgain) {
  const Error key{ErrorKind::kUnauthorized, "no", "", "invalid_api_key"};
  EXPECT_EQ(answer_to("/v1/models", key).status, 401);
  EXPECT_EQ(answer_to("/v1/models", key).headers["WWW-Authenticate"], "Bearer");
  EXPECT_TRUE(answer_to("/", key).headers["WWW-Authenticate"].starts_with("Basic realm="));
  HttpResponse busy = answer_to("/v1/models", {ErrorKind::kUnavailable, "no", "", "loading"});
  EXPECT_GE(std::stoi(busy.headers["Retry-After"]), 1);
  EXPECT_FALSE(busy.close);
  EXPECT_TRUE(answer_to("/v1/models", {ErrorKind::kUnavailable, "no", "", "draining"}).close);
  EXPECT_EQ(answer_to("/v1/models", invalid("x", "no")).headers.size(), 1u) << "the content's type";
}

}  // namespace
}  // namespace ember
