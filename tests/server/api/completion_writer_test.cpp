// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "api/answer_writer.h"
#include "server/api/answers.h"

namespace ember {
namespace {

std::unique_ptr<AnswerWriter> writer(const OpenAiDetails& details, CompletionEcho echo = {},
                                     std::vector<std::vector<int32_t>> prompts = {{5, 6}},
                                     size_t choices = 1) {
  return make_completion_writer({.id = "cmpl-1", .model = "m"}, demo_tokenizer(), details,
                                std::move(prompts), choices, std::move(echo));
}

AnswerEvent piece(const std::string& text, bool first = false) {
  AnswerEvent event = content_event(text);
  event.first = first;
  for (const int32_t id : ids_of(text))
    event.tokens.push_back({.token = id, .logprob = -1.0f, .token_rank = 1, .top = {{id, -1.0f}}});
  return event;
}

TEST(CompletionWriter, StreamAndWholeAnswerSayTheSame) {
  const std::string prompt = "A fox";
  const OpenAiDetails details{.include_usage = true, .return_token_ids = true, .num_logprobs = 1};
  std::vector<AnswerEvent> events = {piece(" ran", true), piece(" far"), piece("")};
  events.back().finish = Finish{Finish::Reason::kStop, "."};
  for (const int32_t id : ids_of(prompt).size() > 1 ? ids_of(prompt) : std::vector<int32_t>{})
    events[0].prompt_tokens.push_back({.token = id, .logprob = -2.0f, .token_rank = 3, .top = {}});
  if (!events[0].prompt_tokens.empty())
    events[0].prompt_tokens.erase(events[0].prompt_tokens.begin());
  const CompletionEcho echo{.texts = {prompt}};
  const std::vector<std::vector<int32_t>> prompts = {ids_of(prompt)};
  const Json body =
      Json::parse(writer(details, echo, prompts)->whole(whole_of(events), some_usage(3)));
  const Json& whole = body["choices"][0];
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(whole["text"], "A fox ran far");
  EXPECT_EQ(whole["finish_reason"], "stop");
  EXPECT_EQ(whole["stop_reason"], ".");
  EXPECT_EQ(whole["prompt_token_ids"], Json(ids_of(prompt)));
  EXPECT_TRUE(whole["logprobs"]["token_logprobs"][0].is_null()) << "nothing comes before it";

  const std::vector<Json> chunks = events_in(stream_of(*writer(details, echo, prompts), events));
  ASSERT_EQ(chunks.size(), 4u);
  std::string text;
  Json lists = {{"text_offset", Json::array()},
                {"token_logprobs", Json::array()},
                {"tokens", Json::array()},
                {"top_logprobs", Json::array()}};
  for (size_t i = 0; i < 3; ++i) {
    const Json& choice = chunks[i]["choices"][0];
    text += choice["text"].get<std::string>();
    for (auto& [name, list] : lists.items())
      for (const Json& value : choice["logprobs"][name]) list.push_back(value);
    EXPECT_EQ(choice.contains("prompt_token_ids"), i == 0);
    EXPECT_TRUE(chunks[i]["usage"].is_null());
  }
  EXPECT_EQ(text, whole["text"].get<std::string>());
  EXPECT_EQ(lists, whole["logprobs"]);
  EXPECT_EQ(chunks[3]["usage"]["prompt_tokens"], 10);
}

TEST(CompletionWriter, OffsetsCountCharacters) {
  const std::vector<AnswerEvent> events = {piece("\xC3\xA4\xC3\xB6 fox", true)};
  const Json body =
      Json::parse(writer({.num_logprobs = 0})->whole(whole_of(events), some_usage(1)));
  const Json& lists = body["choices"][0]["logprobs"];
  std::string before;
  for (size_t i = 0; i < events[0].tokens.size(); ++i) {
    size_t characters = 0;
    for (const char c : before) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    EXPECT_EQ(lists["text_offset"][i], characters) << i;
    before += demo_tokenizer().token_bytes(events[0].tokens[i].token);
  }
  EXPECT_EQ(before, "\xC3\xA4\xC3\xB6 fox");
}

TEST(CompletionWriter, ChoicesBelongToPromptsInOrder) {
  std::vector<AnswerEvent> choices(4);
  for (size_t i = 0; i < choices.size(); ++i) {
    choices[i] = piece("x", true);
    choices[i].choice = i;
  }
  const auto two = writer({.return_token_ids = true}, {.texts = {"one", "two"}}, {{1}, {2}}, 4);
  const Json list = Json::parse(two->whole(choices, some_usage(4)))["choices"];
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list[1]["text"], "onex");
  EXPECT_EQ(list[2]["text"], "twox");
  EXPECT_EQ(list[2]["prompt_token_ids"], Json::array({2}));
  EXPECT_EQ(list[3]["index"], 3);
}

TEST(CompletionWriter, SaysNoLogprobsUnlessAsked) {
  const Json body = Json::parse(writer({})->whole(whole_of({piece("x", true)}), some_usage(1)));
  EXPECT_TRUE(body["choices"][0]["logprobs"].is_null());
  EXPECT_FALSE(body["choices"][0].contains("prompt_logprobs"));
  const Json asked = Json::parse(
      writer({.prompt_logprobs = 1})->whole(whole_of({piece("x", true)}), some_usage(1)));
  EXPECT_EQ(asked["choices"][0]["prompt_logprobs"], Json::array({nullptr}));
}

TEST(CompletionWriter, AnErrorIsTheLastEvent) {
  std::string out;
  const Error error{ErrorKind::kInternal, "no", "", "c"};
  writer({})->fail(error, out);
  EXPECT_EQ(out, "data: " + writer({})->error(error) + "\n\n");
}

}  // namespace
}  // namespace ember
