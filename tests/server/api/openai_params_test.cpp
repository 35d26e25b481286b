// SPDX-License-Identifier: Apache-2.0
#include "api/openai_params.h"

#include <gmock/gmock.h>

#include "server/api/requests.h"

namespace ember {
namespace {

struct Read {
  GenerationParams params;
  std::string fault;
};

Read read(const Json& body) {
  FieldReader fields(body);
  Read read;
  read_openai_params(fields, some_model(), {.max_n = 8}, read.params);
  if (!fields.ok()) read.fault = fields.error().param + ": " + fields.error().message;
  return read;
}

TEST(OpenAiParams, EveryFieldIsRead) {
  const Read r = read({{"stream", true},
                       {"stream_options", {{"include_usage", true}}},
                       {"n", 3},
                       {"allowed_token_ids", {9, 4, 9}},
                       {"include_stop_str_in_output", true},
                       {"response_format", {{"type", "json_object"}}},
                       {"skip_special_tokens", false},
                       {"return_token_ids", true},
                       {"user", "u"},
                       {"best_of", 1}});
  EXPECT_NE(r.fault, "") << "a format and allowed tokens exclude each other";
  const GenerationParams& p = r.params;
  EXPECT_TRUE(p.include_usage && p.include_stop_str_in_output && p.return_token_ids);
  EXPECT_FALSE(p.continuous_usage_stats || p.skip_special_tokens);
  EXPECT_EQ(p.n, 3);
  EXPECT_THAT(p.sampling.allowed_token_ids, testing::ElementsAre(4, 9));
  EXPECT_EQ(read({{"prompt_logprobs", 2}}).params.prompt_logprobs, 2);
}

TEST(OpenAiParams, FaultsNameTheField) {
  EXPECT_EQ(read({{"stream_options", {{"include_usage", true}}}}).fault,
            "stream_options: stream_options is only possible with stream: true.");
  EXPECT_EQ(read({{"n", 9}}).fault, "n: n must be an integer from 1 to 8.");
  EXPECT_EQ(read({{"allowed_token_ids", Json::array()}}).fault,
            "allowed_token_ids: allowed_token_ids must hold at least one token id.");
  EXPECT_EQ(read({{"stream", true}, {"prompt_logprobs", 1}}).fault,
            "prompt_logprobs: prompt_logprobs is not possible in a stream.");
  EXPECT_EQ(read({{"suffix", "x"}}).fault, "suffix: suffix is not supported (only \"\").");
  EXPECT_EQ(read({{"best_of", 3}}).fault, "best_of: best_of is not supported (only 1).");
  EXPECT_EQ(read({{"functions", Json::array()}}).fault, "functions: functions is not supported.");
}

}  // namespace
}  // namespace ember
