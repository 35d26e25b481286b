// SPDX-License-Identifier: Apache-2.0
#include "api/responses_format.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "api/generation_answer.h"
#include "server/api/chat_chunks.h"

namespace ember {
namespace {

std::unique_ptr<AnswerFormat> format(const Json& body = Json::object()) {
  AnswerSpec spec{.id = "resp_1", .model = "m"};
  return make_responses_format(body, spec);
}

std::vector<Json> events_of_everything() {
  std::string text;
  const auto stream = format();
  for (const Json& chunk : chunks_of_everything()) text += stream->chunk(chunk);
  text += stream->end();
  return events_in(text);
}

TEST(ResponsesFormat, StreamAndWholeAnswerSayTheSame) {
  const std::vector<Json> events = events_of_everything();
  const Json whole = format()->whole(body_of_everything());
  EXPECT_EQ(events.back()["type"], "response.completed");
  EXPECT_EQ(events.back()["response"], whole);
  ASSERT_EQ(whole["output"].size(), 4u);
  EXPECT_EQ(whole["output"][0]["content"][0], (Json{{"type", "reasoning_text"}, {"text", "Hmm."}}));
  EXPECT_EQ(whole["output"][1]["content"][0]["text"], "Let me see.");
  EXPECT_EQ(whole["output"][2]["arguments"], "{\"city\":\"Rome\"}");
  EXPECT_EQ(whole["output"][3]["call_id"], "c1");
  EXPECT_EQ(whole["usage"]["input_tokens_details"]["cached_tokens"], 4);
}

TEST(ResponsesFormat, EventsAreNumberedAndDeltasAddUp) {
  std::map<std::string, std::string> said;
  int number = 0;
  std::set<std::string> ids;
  for (const Json& e : events_of_everything()) {
    EXPECT_EQ(e["sequence_number"], number++);
    const auto type = e["type"].get<std::string>();
    if (type == "response.output_item.added") {
      EXPECT_TRUE(ids.insert(e["item"]["id"].get<std::string>()).second);
    }
    if (type.ends_with(".delta")) said[e["item_id"]] += e["delta"].get<std::string>();
    if (type.ends_with("_text.done")) {
      EXPECT_EQ(said[e["item_id"]], e["text"].get<std::string>());
    }
    if (type == "response.function_call_arguments.done") {
      EXPECT_EQ(said[e["item_id"]], e["arguments"].get<std::string>());
    }
  }
  EXPECT_EQ(ids.size(), 4u);
}

TEST(ResponsesFormat, CutAnswersAreIncomplete) {
  const auto stream = format();
  std::string text = stream->chunk(chat_chunk({{"content", "x"}}, 1, "length"));
  text += stream->end();
  const Json last = events_in(text).back();
  EXPECT_EQ(last["type"], "response.incomplete");
  EXPECT_EQ(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
}

TEST(ResponsesFormat, FailsBeforeTheFirstTokenToo) {
  const std::vector<Json> events =
      events_in(format()->error(Error{ErrorKind::kUnavailable, "no", "", "aborted"}));
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["type"], "response.created");
  EXPECT_EQ(events[2]["response"]["status"], "failed");
  EXPECT_EQ(events[2]["response"]["error"]["message"], "no");
}

TEST(ResponsesFormat, TellsWhatWasAskedFor) {
  const Json asked = {{"instructions", "Be brief."},
                      {"metadata", {{"a", "b"}}},
                      {"tool_choice", nullptr},
                      {"max_output_tokens", 5}};
  const Json whole = format(asked)->whole(body_of_everything());
  EXPECT_EQ(whole["instructions"], "Be brief.");
  EXPECT_EQ(whole["metadata"], (Json{{"a", "b"}}));
  EXPECT_EQ(whole["tool_choice"], "auto");
  EXPECT_EQ(whole["max_output_tokens"], 5);
}

}  // namespace
}  // namespace ember
