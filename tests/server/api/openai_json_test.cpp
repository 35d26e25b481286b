// SPDX-License-Identifier: Apache-2.0
#include "api/openai_json.h"

#include <gtest/gtest.h>

#include <limits>

#include "server/api/answers.h"

namespace ember {
namespace {

TEST(OpenAiJson, AnEventHasTheNameOfItsType) {
  EXPECT_EQ(typed_event({{"type", "ping"}}), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
  EXPECT_EQ(data_event({{"a", 1}}), "data: {\"a\":1}\n\n");
  EXPECT_EQ(dump("\xff"), "\"\xEF\xBF\xBD\"");
}

TEST(OpenAiJson, UsageTellsReasoningWhereItIsCounted) {
  Usage usage = some_usage(5);
  EXPECT_EQ(usage_json(usage), (Json{{"prompt_tokens", 10},
                                     {"completion_tokens", 5},
                                     {"total_tokens", 15},
                                     {"prompt_tokens_details", {{"cached_tokens", 4}}},
                                     {"completion_tokens_details", {{"reasoning_tokens", 2}}}}));
  usage.reasoning_tokens = std::nullopt;
  EXPECT_FALSE(usage_json(usage).contains("completion_tokens_details"));
}

TEST(OpenAiJson, ChunksTellTheUsageAsTheyAreAsked) {
  const auto chunk = [](OpenAiDetails details) {
    Json json = Json::object();
    add_usage(json, some_usage(1), details);
    return json;
  };
  EXPECT_EQ(chunk({}), Json::object());
  EXPECT_EQ(chunk({.include_usage = true}), (Json{{"usage", nullptr}}));
  EXPECT_EQ(chunk({.include_usage = true, .continuous_usage_stats = true})["usage"],
            usage_json(some_usage(1)));
  EXPECT_EQ(stream_ending(Json::object(), some_usage(1), {}), "data: [DONE]\n\n");
  const std::string ending = stream_ending(Json::object(), some_usage(1), {.include_usage = true});
  EXPECT_EQ(events_in(ending).at(0)["choices"], Json::array());
  EXPECT_TRUE(ending.ends_with("data: [DONE]\n\n"));
}

TEST(OpenAiJson, WhyAChoiceEnded) {
  const auto reasons = [](const AnswerEvent& event) {
    return Json::array({finish_reason(event), stop_reason(event)});
  };
  EXPECT_EQ(reasons({}), Json::array({nullptr, nullptr}));
  EXPECT_EQ(reasons(last_event("", {Finish::Reason::kStop, {}})), Json::array({"stop", nullptr}));
  EXPECT_EQ(reasons(last_event("", {Finish::Reason::kStop, "END"})), Json::array({"stop", "END"}));
  EXPECT_EQ(reasons(last_event("", {Finish::Reason::kStop, 17})), Json::array({"stop", 17}));
  EXPECT_EQ(reasons(last_event("", {Finish::Reason::kLength, {}})),
            Json::array({"length", nullptr}));
  EXPECT_EQ(reasons(last_event("", {Finish::Reason::kToolCalls, {}})),
            Json::array({"tool_calls", nullptr}));
}

TEST(OpenAiJson, PromptLogprobsBeginWithNone) {
  const int32_t fox = ids_of("fox").front();
  const TokenEntry entry{.token = fox,
                         .logprob = -std::numeric_limits<float>::infinity(),
                         .token_rank = 9,
                         .top = {{0, -0.5f}, {1, -1.0f}}};
  const Json list = prompt_logprobs(demo_tokenizer(), {entry}, 1);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_TRUE(list[0].is_null());
  EXPECT_EQ(list[1].size(), 2u) << "one of the two most likely, and the prompt's own";
  EXPECT_EQ(list[1]["0"]["rank"], 1);
  const Json& own = list[1][std::to_string(fox)];
  EXPECT_EQ(own, (Json{{"logprob", -9999.0f},
                       {"rank", 9},
                       {"decoded_token", token_text(demo_tokenizer(), fox)}}));
}

TEST(OpenAiJson, ErrorNamesTheField) {
  EXPECT_EQ(Json::parse(openai_error(invalid("n", "n is wrong.", "c")))["error"],
            (Json{{"message", "n is wrong."},
                  {"type", "invalid_request_error"},
                  {"param", "n"},
                  {"code", "c"}}));
}

}  // namespace
}  // namespace ember
