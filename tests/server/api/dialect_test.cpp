// SPDX-License-Identifier: Apache-2.0
#include "api/dialect.h"

#include <gtest/gtest.h>

#include "server/api/demo_model.h"
#include "server/api/requests.h"

namespace ember {
namespace {

// The body of an answer that says "A fox."
Json answer(const Dialect& dialect, const Json& body) {
  const ServedModel model = demo_model();
  Result<Generation> generation = dialect.prepare(model, {}, body);
  EXPECT_TRUE(generation.ok()) << fault(generation);
  const auto writer = dialect.make_writer({.id = dialect.id_prefix + "1", .model = "demo"},
                                          *model.tokenizer, body, generation.value());
  AnswerEvent event = last_event("A fox.", {});
  event.first = true;
  return Json::parse(writer->whole({event}, some_usage(3)));
}

TEST(Dialect, EachReadsItsRequestAndWritesItsAnswer) {
  const Json chat = answer(kChatDialect, {{"messages", user_message("Hi.")}});
  EXPECT_EQ(chat["id"], "chatcmpl-1");
  EXPECT_EQ(chat["choices"][0]["message"]["content"], "A fox.");
  const Json completion = answer(kCompletionDialect, {{"prompt", "Hi."}, {"echo", true}});
  EXPECT_EQ(completion["id"], "cmpl-1");
  EXPECT_EQ(completion["choices"][0]["text"], "Hi.A fox.");
  const Json message =
      answer(kMessagesDialect, {{"messages", user_message("Hi.")}, {"max_tokens", 5}});
  EXPECT_EQ(message["id"], "msg_1");
  EXPECT_EQ(message["content"][0]["text"], "A fox.");
  const Json response = answer(kResponsesDialect, {{"input", "Hi."}});
  EXPECT_EQ(response["id"], "resp_1");
  EXPECT_EQ(response["output"][0]["content"][0]["text"], "A fox.");
}

TEST(Dialect, AResponseRepeatsItsRequest) {
  const Json given = {{"instructions", "Be brief."}, {"metadata", {{"a", "b"}}},
                      {"max_output_tokens", 5},      {"temperature", 0.9},
                      {"tool_choice", nullptr},      {"user", "u"}};
  const Json response = answer(kResponsesDialect, with({{"input", "Hi."}}, given));
  for (const char* name : {"instructions", "metadata", "max_output_tokens", "temperature", "user"})
    EXPECT_EQ(response[name], given[name]) << name;
  EXPECT_EQ(response["tool_choice"], "auto");
  EXPECT_EQ(response["tools"], Json::array());
  EXPECT_EQ(response["top_p"], 1.0);
}

TEST(Dialect, FaultsNameTheApisOwnFields) {
  const ServedModel model = demo_model();
  EXPECT_EQ(kChatDialect.prepare(model, {}, Json::object()).error().param, "messages");
  EXPECT_EQ(kCompletionDialect.prepare(model, {}, Json::object()).error().param, "prompt");
  EXPECT_EQ(kMessagesDialect.prepare(model, {}, Json::object()).error().param, "max_tokens");
  EXPECT_EQ(kResponsesDialect.prepare(model, {}, Json::object()).error().param, "input");
  EXPECT_EQ(kResponsesDialect.prepare(model, {}, {{"input", "x"}, {"max_output_tokens", 300}})
                .error()
                .param,
            "max_output_tokens");
}

}  // namespace
}  // namespace ember
