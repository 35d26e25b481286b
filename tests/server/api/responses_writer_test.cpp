// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "api/answer_writer.h"
#include "server/api/answers.h"

namespace ember {
namespace {

const Json kAsked = {{"instructions", "Be brief."},
                     {"max_output_tokens", 5},
                     {"metadata", {{"a", "b"}}},
                     {"parallel_tool_calls", true},
                     {"temperature", 0.9},
                     {"text", Json::object()},
                     {"tool_choice", "auto"},
                     {"tools", Json::array()},
                     {"top_p", 1.0},
                     {"user", nullptr}};

std::unique_ptr<AnswerWriter> writer() {
  return make_responses_writer({.id = "resp_1", .model = "m"}, kAsked);
}

std::vector<Json> stream(const std::vector<AnswerEvent>& events) {
  return events_in(stream_of(*writer(), events));
}

TEST(ResponsesWriter, StreamAndWholeAnswerSayTheSame) {
  const std::vector<Json> events = stream(events_of_everything());
  const Json whole = Json::parse(writer()->whole(whole_of(events_of_everything()), some_usage(10)));
  EXPECT_EQ(events.back()["type"], "response.completed");
  EXPECT_EQ(events.back()["response"], whole);
  ASSERT_EQ(whole["output"].size(), 4u);
  EXPECT_EQ(whole["output"][0]["content"][0], (Json{{"type", "reasoning_text"}, {"text", "Hmm."}}));
  EXPECT_EQ(whole["output"][1]["content"][0]["text"], "Let me see.");
  EXPECT_EQ(whole["output"][2]["arguments"], "{\"city\":\"Rome\"}");
  EXPECT_EQ(whole["output"][3]["call_id"], "c1");
  EXPECT_EQ(whole["usage"]["input_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(whole["usage"]["output_tokens_details"]["reasoning_tokens"], 2);
}

TEST(ResponsesWriter, EventsAreNumberedAndDeltasAddUp) {
  std::map<std::string, std::string> said;
  int number = 0;
  std::set<std::string> ids;
  for (const Json& e : stream(events_of_everything())) {
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

TEST(ResponsesWriter, CutAnswersAreIncomplete) {
  const Json last = stream({last_event("x", {Finish::Reason::kLength, {}})}).back();
  EXPECT_EQ(last["type"], "response.incomplete");
  EXPECT_EQ(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
}

TEST(ResponsesWriter, FailsBeforeTheFirstTokenAndAfterIt) {
  const Error error{ErrorKind::kUnavailable, "no", "", "aborted"};
  std::string out;
  writer()->fail(error, out);
  const std::vector<Json> events = events_in(out);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["type"], "response.created");
  EXPECT_EQ(events[2]["response"]["status"], "failed");
  EXPECT_EQ(events[2]["response"]["error"]["message"], "no");
  EXPECT_TRUE(events[2]["response"]["usage"].is_null());

  out.clear();
  const auto begun = writer();
  begun->begin(some_usage(1), out);
  begun->event(content_event("x"), some_usage(3), out);
  out.clear();
  begun->fail(error, out);
  ASSERT_EQ(events_in(out).size(), 1u);
  EXPECT_EQ(events_in(out)[0]["response"]["usage"]["output_tokens"], 3);
}

TEST(ResponsesWriter, RepeatsWhatWasAskedFor) {
  const Json whole = Json::parse(writer()->whole(whole_of({content_event("x")}), some_usage(1)));
  for (const auto& [name, value] : kAsked.items()) EXPECT_EQ(whole[name], value) << name;
}

}  // namespace
}  // namespace ember
