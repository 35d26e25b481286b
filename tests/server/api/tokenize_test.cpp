// SPDX-License-Identifier: Apache-2.0
#include "api/tokenize.h"

#include <gtest/gtest.h>

#include "server/api/demo_model.h"
#include "server/api/requests.h"

namespace ember {
namespace {

TEST(Tokenize, TextBecomesIdsAndIdsBecomeText) {
  const ServedModel model = demo_model();
  const Result<Json> ids =
      answer_tokenize(model, {}, {{"prompt", "A fox."}, {"add_special_tokens", false}});
  ASSERT_TRUE(ids.ok()) << fault(ids);
  EXPECT_EQ(ids.value()["count"], ids.value()["tokens"].size());
  EXPECT_EQ(ids.value()["max_model_len"], 300);
  const Result<Json> text = answer_detokenize(model, {}, {{"tokens", ids.value()["tokens"]}});
  ASSERT_TRUE(text.ok()) << fault(text);
  EXPECT_EQ(text.value()["prompt"], "A fox.");
  EXPECT_EQ(answer_tokenize(model, {}, Json::object()).error().param, "prompt");
  EXPECT_EQ(answer_detokenize(model, {}, Json::object()).error().param, "tokens");
}

TEST(Tokenize, AllShowTheSamePromptOfAChat) {
  const ServedModel model = demo_model();
  const Json body = {{"messages", user_message("Hi.")}};
  const Json ids = answer_tokenize(model, {}, body).value()["tokens"];
  EXPECT_GT(ids.size(), 5u);
  const Json rendered = answer_render(model, {}, body).value();
  EXPECT_EQ(rendered["prompt_token_ids"], ids);
  EXPECT_NE(rendered["prompt"].get<std::string>().find("Hi."), std::string::npos);
  EXPECT_EQ(answer_count_tokens(model, {}, body).value()["input_tokens"], ids.size());
}

TEST(Tokenize, FaultsNameTheField) {
  const ServedModel model = demo_model();
  const Json body = {{"messages", 5}};
  for (const auto& answer : {answer_tokenize, answer_render, answer_count_tokens})
    EXPECT_EQ(answer(model, {}, body).error().param, "messages");
}

}  // namespace
}  // namespace ember
