// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "api/answer_writer.h"
#include "server/api/answers.h"

namespace ember {
namespace {

constexpr AnswerName (*kName)() = [] {
  return AnswerName{.id = "chatcmpl-1", .model = "m", .created = 7};
};

std::unique_ptr<AnswerWriter> writer(const OpenAiDetails& details = {}) {
  return make_chat_writer(kName(), demo_tokenizer(), details, {5, 6});
}

Json whole(const std::vector<AnswerEvent>& events, const OpenAiDetails& details = {}) {
  return Json::parse(writer(details)->whole(whole_of(events), some_usage(10)));
}

std::vector<Json> stream(const std::vector<AnswerEvent>& events,
                         const OpenAiDetails& details = {}) {
  return events_in(stream_of(*writer(details), events));
}

// What a client puts together from the chunks.
Json message_of(const std::vector<Json>& chunks) {
  Json message = {{"role", ""}, {"content", ""}, {"reasoning_content", ""}};
  for (const Json& chunk : chunks) {
    for (const Json& choice : chunk["choices"]) {
      const Json& delta = choice["delta"];
      for (const char* name : {"role", "content", "reasoning_content"})
        if (delta.contains(name))
          message[name] = message[name].get<std::string>() + delta[name].get<std::string>();
      for (const Json& call : delta.value("tool_calls", Json::array())) {
        Json& calls = message["tool_calls"];
        if (call.contains("id"))
          calls.push_back(call);
        else
          calls[call["index"].get<size_t>()]["function"]["arguments"] =
              calls[call["index"].get<size_t>()]["function"]["arguments"].get<std::string>() +
              call["function"]["arguments"].get<std::string>();
      }
    }
  }
  for (Json& call : message["tool_calls"]) call.erase("index");
  return message;
}

TEST(ChatWriter, StreamAndWholeAnswerSayTheSame) {
  const std::vector<Json> chunks = stream(events_of_everything());
  Json body = whole(events_of_everything());
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(chunks[0]["object"], "chat.completion.chunk");
  EXPECT_EQ(chunks[0]["id"], "chatcmpl-1");
  EXPECT_EQ(chunks[0]["created"], 7);
  Json message = body["choices"][0]["message"];
  EXPECT_TRUE(message["refusal"].is_null());
  message.erase("refusal");
  const Json streamed = message_of(chunks);
  for (const auto& [name, value] : message.items()) EXPECT_EQ(streamed[name], value) << name;
  EXPECT_EQ(message["tool_calls"].size(), 2u);
  EXPECT_EQ(body["choices"][0]["finish_reason"], "tool_calls");
  EXPECT_EQ(chunks.back()["choices"][0]["finish_reason"], "tool_calls");
  EXPECT_EQ(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 2);
}

TEST(ChatWriter, TheRoleComesWithTheFirstTokenOnly) {
  const std::vector<Json> chunks = stream(events_of_everything());
  EXPECT_EQ(chunks[0]["choices"][0]["delta"], (Json{{"role", "assistant"}, {"content", ""}}));
  for (size_t i = 1; i < chunks.size(); ++i)
    EXPECT_FALSE(chunks[i]["choices"][0]["delta"].contains("role"));
  EXPECT_EQ(chunks.back()["choices"][0]["delta"], Json::object());
}

TEST(ChatWriter, AWholeAnswerThatOnlyCallsHasNoContent) {
  AnswerEvent call = last_event("", {Finish::Reason::kToolCalls, {}});
  call.calls.push_back({0, "c0", "f", "{}"});
  EXPECT_TRUE(whole({call})["choices"][0]["message"]["content"].is_null());
  EXPECT_EQ(whole({last_event("", {})})["choices"][0]["message"]["content"], "");
}

TEST(ChatWriter, TokensHaveTheirLogprobs) {
  AnswerEvent event = content_event("fox");
  const int32_t fox = ids_of("fox").front();
  event.tokens = {
      {.token = fox, .logprob = -0.5f, .token_rank = 1, .top = {{fox, -0.5f}, {3, -2.0f}}}};
  const OpenAiDetails details{.return_token_ids = true, .num_logprobs = 1};
  const Json body = whole({event}, details);
  const Json& item = body["choices"][0]["logprobs"]["content"][0];
  const std::string& bytes = demo_tokenizer().token_bytes(fox);
  EXPECT_EQ(item["token"], bytes);
  EXPECT_EQ(item["bytes"].size(), bytes.size());
  EXPECT_EQ(item["logprob"], -0.5f);
  EXPECT_EQ(item["top_logprobs"].size(), 1u) << "no more than asked for";
  EXPECT_EQ(body["choices"][0]["token_ids"], Json::array({fox}));
  EXPECT_EQ(body["prompt_token_ids"], Json::array({5, 6}));
  const std::vector<Json> chunks = stream({event, event}, details);
  EXPECT_EQ(chunks[0]["choices"][0]["logprobs"], body["choices"][0]["logprobs"]);
  EXPECT_TRUE(chunks[0].contains("prompt_token_ids"));
  EXPECT_FALSE(chunks[1].contains("prompt_token_ids")) << "once is enough";
  EXPECT_TRUE(whole({event})["choices"][0]["logprobs"].is_null());
}

TEST(ChatWriter, ThePromptsLogprobsBelongToTheBody) {
  AnswerEvent event = content_event("x");
  event.prompt_tokens = {{.token = 6, .logprob = -1.0f, .token_rank = 2, .top = {}}};
  const Json body = whole({event}, {.prompt_logprobs = 0});
  EXPECT_EQ(body["prompt_logprobs"].size(), 2u);
  EXPECT_EQ(body["prompt_logprobs"][1]["6"]["rank"], 2);
}

TEST(ChatWriter, AnErrorIsTheLastEvent) {
  std::string out;
  const Error error{ErrorKind::kInternal, "no", "", "c"};
  writer()->fail(error, out);
  EXPECT_EQ(events_in(out).at(0)["error"]["message"], "no");
  EXPECT_EQ(out, "data: " + writer()->error(error) + "\n\n");
  out.clear();
  writer()->keep_alive(out);
  EXPECT_EQ(out, ": keep-alive\n\n");
}

}  // namespace
}  // namespace ember
