// SPDX-License-Identifier: Apache-2.0
#include "api/params.h"

#include <gmock/gmock.h>

#include "server/api/requests.h"

namespace ember {
namespace {

using testing::ElementsAre;
using testing::Pair;

struct Read {
  GenerationParams params;
  std::string fault;
};

Read read(const Json& body, ModelInfo model = some_model()) {
  FieldReader fields(body);
  Read read;
  read_max_tokens(fields, "max_tokens", 1, read.params);
  read_stop(fields, "stop", read.params);
  read_params(fields, model, {.max_timeout = 50}, read.params);
  if (!fields.ok()) read.fault = fields.error().param + ": " + fields.error().message;
  return read;
}

TEST(Params, NothingAskedIsTheModelsDefault) {
  ModelInfo model = some_model();
  model.temperature = 0.6f;
  model.top_k = 40;
  const Read r = read(Json::object(), model);
  EXPECT_EQ(r.fault, "");
  EXPECT_EQ(r.params.sampling.temperature, 0.6f);
  EXPECT_EQ(r.params.sampling.top_k, 40);
  EXPECT_EQ(r.params.sampling.top_p, 1.0f);
  EXPECT_FALSE(r.params.max_tokens);
  EXPECT_FALSE(r.params.seed);
  EXPECT_FALSE(r.params.stream);
  EXPECT_EQ(read({{"temperature", 0}, {"top_k", -1}}, model).params.sampling.top_k, 0);
}

TEST(Params, EveryFieldIsRead) {
  const GenerationParams p = read({{"model", "m"},
                                   {"stream", true},
                                   {"temperature", 0.5},
                                   {"top_p", 0.9},
                                   {"min_p", 0.1},
                                   {"presence_penalty", 1},
                                   {"frequency_penalty", -1},
                                   {"repetition_penalty", 1.1},
                                   {"logit_bias", {{"7", 5}, {"3", -1}}},
                                   {"seed", -4},
                                   {"max_tokens", 9},
                                   {"min_tokens", 2},
                                   {"stop", {"a", "b"}},
                                   {"bad_words", {"fox"}},
                                   {"stop_token_ids", {5}},
                                   {"ignore_eos", true},
                                   {"priority", -3},
                                   {"cache_salt", "s"},
                                   {"timeout", 1000}})
                                 .params;
  EXPECT_EQ(p.model, "m");
  EXPECT_TRUE(p.stream && p.ignore_eos);
  EXPECT_EQ(p.sampling.temperature, 0.5f);
  EXPECT_EQ(p.sampling.repetition_penalty, 1.1f);
  EXPECT_THAT(p.sampling.logit_bias, ElementsAre(Pair(3, -1.0f), Pair(7, 5.0f)));
  EXPECT_EQ(p.seed, -4);
  EXPECT_EQ(p.max_tokens, 9);
  EXPECT_EQ(p.min_tokens, 2);
  EXPECT_THAT(p.stop, ElementsAre("a", "b"));
  EXPECT_THAT(p.bad_words, ElementsAre("fox"));
  EXPECT_THAT(p.stop_token_ids, ElementsAre(5));
  EXPECT_EQ(p.priority, -3);
  EXPECT_EQ(p.cache_salt, "s");
  EXPECT_EQ(p.timeout, 50) << "no more than the server's";
}

TEST(Params, FaultsNameTheFieldAndTheLimit) {
  const auto fault_of = [](const char* name, const Json& value) {
    return read({{name, value}}).fault;
  };
  EXPECT_EQ(fault_of("temperature", 9), "temperature: temperature must be a number from 0 to 2.");
  EXPECT_EQ(fault_of("top_p", 0), "top_p: top_p must be above 0 and at most 1.");
  EXPECT_EQ(fault_of("repetition_penalty", 0),
            "repetition_penalty: repetition_penalty must be above 0 and at most 10.");
  EXPECT_EQ(fault_of("model", ""), "model: model must not be empty.");
  EXPECT_EQ(fault_of("cache_salt", ""), "cache_salt: cache_salt must be 1 to 1024 bytes long.");
  EXPECT_EQ(fault_of("stop", 5), "stop: stop must be a string or a list of strings, not a number.");
  EXPECT_EQ(fault_of("stop", Json::array({5})),
            "stop: stop must be a string or a list of strings.");
  EXPECT_EQ(fault_of("stop", ""), "stop: stop must hold strings of 1 to 1024 bytes.");
  EXPECT_EQ(fault_of("stop", Json(65, "x")), "stop: stop must hold at most 64 strings.");
  EXPECT_EQ(fault_of("bad_words", "x"),
            "bad_words: bad_words must be a list of strings, not a string.");
  EXPECT_EQ(fault_of("bad_words", Json::array({5})),
            "bad_words: bad_words must be a list of strings.");
  EXPECT_EQ(read({{"max_tokens", 2}, {"min_tokens", 3}}).fault,
            "min_tokens: min_tokens must not be above max_tokens 2.");
}

TEST(Params, TheMostTokensHaveTheNameTheyCameBy) {
  const Json body = {{"a", 5}, {"b", 7}};
  FieldReader fields(body);
  GenerationParams params;
  read_max_tokens(fields, "a", 1, params);
  read_max_tokens(fields, "b", 1, params);
  read_max_tokens(fields, "c", 1, params);
  EXPECT_EQ(params.max_tokens, 7);
  EXPECT_EQ(params.max_tokens_field, "b");
}

TEST(Params, AnnotationsAreCheckedOnly) {
  const auto check = [](const Json& body) {
    FieldReader fields(body);
    check_annotations(fields);
    return fields.ok();
  };
  EXPECT_TRUE(check({{"user", "u"}, {"metadata", {{"a", "b"}}}}));
  EXPECT_FALSE(check({{"user", 5}}));
  EXPECT_FALSE(check({{"metadata", {{"a", 5}}}}));
  EXPECT_FALSE(check({{"metadata", {{std::string(65, 'x'), "b"}}}}));
}

TEST(Params, RefusedFieldsMayBeNull) {
  const Json body = {{"a", nullptr}, {"b", 1}};
  FieldReader fields(body);
  refuse_fields(fields, {"a"});
  EXPECT_TRUE(fields.ok());
  refuse_fields(fields, {"a", "b"});
  EXPECT_EQ(fields.error().param, "b");
  EXPECT_EQ(fields.error().code, "unsupported_parameter");
}

}  // namespace
}  // namespace ember
