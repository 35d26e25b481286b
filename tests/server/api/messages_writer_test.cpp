// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "api/answer_writer.h"
#include "server/api/answers.h"

namespace ember {
namespace {

std::unique_ptr<AnswerWriter> writer() {
  return make_messages_writer({.id = "msg_1", .model = "m"});
}

std::vector<Json> stream(const std::vector<AnswerEvent>& events) {
  return events_in(stream_of(*writer(), events));
}

Json whole(const std::vector<AnswerEvent>& events, int64_t tokens = 10) {
  return Json::parse(writer()->whole(whole_of(events), some_usage(tokens)));
}

// What a client puts together from the events.
Json content_of(const std::vector<Json>& events) {
  Json content = Json::array();
  for (const Json& e : events) {
    if (e["type"] == "content_block_start") {
      EXPECT_EQ(e["index"], content.size());
      content.push_back(e["content_block"]);
      if (content.back().contains("input")) content.back()["input"] = "";
    } else if (e["type"] == "content_block_delta") {
      Json& block = content[e["index"].get<size_t>()];
      for (const auto& [from, to] :
           {std::pair("text", "text"), {"thinking", "thinking"}, {"partial_json", "input"}})
        if (e["delta"].contains(from))
          block[to] = block[to].get<std::string>() + e["delta"][from].get<std::string>();
    }
  }
  for (Json& block : content)
    if (block.contains("input")) block["input"] = Json::parse(block["input"].get<std::string>());
  return content;
}

TEST(MessagesWriter, StreamAndWholeAnswerSayTheSame) {
  const std::vector<Json> events = stream(events_of_everything());
  const Json body = whole(events_of_everything());
  EXPECT_EQ(content_of(events), body["content"]);
  EXPECT_EQ(body["content"].size(), 4u);
  EXPECT_EQ(body["content"][0],
            (Json{{"type", "thinking"}, {"thinking", "Hmm."}, {"signature", ""}}));
  EXPECT_EQ(body["content"][2]["input"], (Json{{"city", "Rome"}}));
  EXPECT_EQ(body["stop_reason"], "tool_use");
  EXPECT_EQ(events.front()["type"], "message_start");
  EXPECT_EQ(events.front()["message"]["id"], "msg_1");
  EXPECT_EQ(events.front()["message"]["usage"], (Json{{"input_tokens", 6},
                                                      {"cache_creation_input_tokens", 0},
                                                      {"cache_read_input_tokens", 4},
                                                      {"output_tokens", 1}}));
  EXPECT_EQ(events[events.size() - 2]["delta"],
            (Json{{"stop_reason", "tool_use"}, {"stop_sequence", nullptr}}));
  EXPECT_EQ(events[events.size() - 2]["usage"], body["usage"]);
  EXPECT_EQ(events.back()["type"], "message_stop");
}

TEST(MessagesWriter, EveryBlockIsClosedBeforeTheNextOpens) {
  int open = -1, blocks = 0;
  for (const Json& e : stream(events_of_everything())) {
    if (e["type"] == "content_block_start") {
      EXPECT_EQ(open, -1);
      open = e["index"].get<int>();
      ++blocks;
    } else if (e["type"] == "content_block_stop") {
      EXPECT_EQ(e["index"], open);
      open = -1;
    } else if (e["type"] == "content_block_delta") {
      EXPECT_EQ(e["index"], open);
    }
  }
  EXPECT_EQ(open, -1);
  EXPECT_EQ(blocks, 4);
}

TEST(MessagesWriter, SaysWhyItEnded) {
  const auto ended = [](Finish finish) {
    return stream({last_event("x", std::move(finish))}).at(4)["delta"];
  };
  using Reason = Finish::Reason;
  EXPECT_EQ(ended({Reason::kStop, {}}),
            (Json{{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}}));
  EXPECT_EQ(ended({Reason::kStop, 17}),
            (Json{{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}}))
      << "a stop token is no sequence";
  EXPECT_EQ(ended({Reason::kStop, "END"}),
            (Json{{"stop_reason", "stop_sequence"}, {"stop_sequence", "END"}}));
  EXPECT_EQ(ended({Reason::kLength, {}}),
            (Json{{"stop_reason", "max_tokens"}, {"stop_sequence", nullptr}}));
}

TEST(MessagesWriter, ArgumentsThatWereCutAreAnEmptyInput) {
  AnswerEvent cut = last_event("", {Finish::Reason::kLength, {}});
  cut.calls.push_back({0, "c0", "weather", "{\"city\":\"Ro"});
  EXPECT_EQ(whole({cut})["content"][0]["input"], Json::object());
}

TEST(MessagesWriter, ErrorIsAnEvent) {
  const Json expected = {{"type", "error"},
                         {"error", {{"type", "overloaded_error"}, {"message", "no"}}}};
  const Error error{ErrorKind::kUnavailable, "no", "", "aborted"};
  std::string out;
  writer()->fail(error, out);
  EXPECT_TRUE(out.starts_with("event: error\n"));
  EXPECT_EQ(events_in(out).at(0), expected);
  EXPECT_EQ(Json::parse(writer()->error(error)), expected);
  out.clear();
  writer()->keep_alive(out);
  EXPECT_EQ(out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

}  // namespace
}  // namespace ember
