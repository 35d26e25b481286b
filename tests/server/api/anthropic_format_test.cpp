// SPDX-License-Identifier: Apache-2.0
#include "api/anthropic_format.h"

#include <gtest/gtest.h>

#include "api/generation_answer.h"
#include "server/api/chat_chunks.h"

namespace ember {
namespace {

std::unique_ptr<AnswerFormat> format() {
  return make_anthropic_format(Json::object(), AnswerSpec());
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

TEST(AnthropicFormat, StreamAndWholeAnswerSayTheSame) {
  std::string text;
  const auto stream = format();
  for (const Json& chunk : chunks_of_everything()) text += stream->chunk(chunk);
  text += stream->end();
  const std::vector<Json> events = events_in(text);
  const Json whole = format()->whole(body_of_everything());
  EXPECT_EQ(content_of(events), whole["content"]);
  EXPECT_EQ(whole["content"].size(), 4u);
  EXPECT_EQ(whole["content"][0],
            (Json{{"type", "thinking"}, {"thinking", "Hmm."}, {"signature", ""}}));
  EXPECT_EQ(whole["content"][2]["input"], (Json{{"city", "Rome"}}));
  EXPECT_EQ(whole["stop_reason"], "tool_use");
  EXPECT_EQ(events.front()["type"], "message_start");
  EXPECT_EQ(events.front()["message"]["usage"], (Json{{"input_tokens", 6},
                                                      {"cache_creation_input_tokens", 0},
                                                      {"cache_read_input_tokens", 4},
                                                      {"output_tokens", 1}}));
  EXPECT_EQ(events[events.size() - 2]["delta"],
            (Json{{"stop_reason", "tool_use"}, {"stop_sequence", nullptr}}));
  EXPECT_EQ(events[events.size() - 2]["usage"], whole["usage"]);
  EXPECT_EQ(events.back()["type"], "message_stop");
}

TEST(AnthropicFormat, EveryBlockIsClosedBeforeTheNextOpens) {
  std::string text;
  const auto stream = format();
  for (const Json& chunk : chunks_of_everything()) text += stream->chunk(chunk);
  int open = -1, blocks = 0;
  text += stream->end();
  for (const Json& e : events_in(text)) {
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

TEST(AnthropicFormat, SaysWhyItEnded) {
  const auto ended = [](const Json& finish, const Json& stop) {
    const auto stream = format();
    std::string text = stream->chunk(chat_chunk({{"content", "x"}}, 1, finish, stop));
    text += stream->end();
    return events_in(text).at(4)["delta"];
  };
  EXPECT_EQ(ended("stop", nullptr),
            (Json{{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}}));
  EXPECT_EQ(ended("stop", 17), (Json{{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}}))
      << "a stop token is no sequence";
  EXPECT_EQ(ended("stop", "END"),
            (Json{{"stop_reason", "stop_sequence"}, {"stop_sequence", "END"}}));
  EXPECT_EQ(ended("length", nullptr),
            (Json{{"stop_reason", "max_tokens"}, {"stop_sequence", nullptr}}));
}

TEST(AnthropicFormat, ArgumentsThatWereCutAreAnEmptyInput) {
  Json body = body_of_everything();
  body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = "{\"city\":\"Ro";
  EXPECT_EQ(format()->whole(body)["content"][2]["input"], Json::object());
}

TEST(AnthropicFormat, ErrorIsAnEvent) {
  const std::vector<Json> events =
      events_in(format()->error(Error{ErrorKind::kUnavailable, "no", "", "aborted"}));
  EXPECT_EQ(events.at(0), (Json{{"type", "error"},
                                {"error", {{"type", "overloaded_error"}, {"message", "no"}}}}));
}

}  // namespace
}  // namespace ember
