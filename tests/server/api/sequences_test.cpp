// SPDX-License-Identifier: Apache-2.0
#include "api/sequences.h"

#include <gmock/gmock.h>

#include "server/api/demo_model.h"

namespace ember {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

Generation generation(int n = 1) {
  Generation generation;
  generation.params.n = n;
  generation.prompts = {{5, 6}, {7}};
  generation.max_tokens = {10, 20};
  return generation;
}

const RequestTimes kTimes{
    .arrival = TimePoint(seconds(100)), .queue_timeout = seconds(5), .max_time = seconds(50)};

std::vector<RequestRef> make(const Generation& generation) {
  return make_requests(demo_model(), generation, 40, "t", kTimes).value();
}

TEST(Sequences, EachPromptHasItsChoices) {
  const std::vector<RequestRef> requests = make(generation(2));
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[3]->id, 43u);
  EXPECT_THAT(requests[1]->prompt, ElementsAre(5, 6));
  EXPECT_THAT(requests[2]->prompt, ElementsAre(7));
  EXPECT_EQ(requests[1]->max_tokens, 10);
  EXPECT_EQ(requests[2]->max_tokens, 20);
  EXPECT_EQ(make_choices(demo_model(), generation(2), 40, {}).size(), 4u);
}

TEST(Sequences, ChoicesDrawDifferentlyAndAgainTheSameWithASeed) {
  Generation seeded = generation(2);
  seeded.params.seed = 7;
  const std::vector<RequestRef> first = make(seeded);
  const std::vector<RequestRef> second =
      make_requests(demo_model(), seeded, 90, "t", kTimes).value();
  EXPECT_NE(first[0]->sampling.seed, first[1]->sampling.seed);
  for (size_t i = 0; i < first.size(); ++i)
    EXPECT_EQ(first[i]->sampling.seed, second[i]->sampling.seed);
  EXPECT_NE(make(generation())[0]->sampling.seed,
            make_requests(demo_model(), generation(), 90, "t", kTimes).value()[0]->sampling.seed)
      << "requests without a seed differ";
}

TEST(Sequences, EndsAreSortedAndMayBeIgnored) {
  Generation g = generation();
  g.params.stop_token_ids = {9, 3};
  EXPECT_THAT(make(g)[0]->stop_token_ids, ElementsAre(3, 9, 6137, 6140));
  g.params.ignore_eos = true;
  EXPECT_THAT(make(g)[0]->stop_token_ids, ElementsAre(3, 9));
  EXPECT_EQ(make(g)[0]->min_tokens, 0);
  EXPECT_EQ(make(g)[0]->constraint, nullptr);
  g.form.grammar = demo_model().grammars->compile({GrammarKind::kRegex, "a"}, "x").value();
  const std::vector<RequestRef> bound = make(g);
  EXPECT_THAT(bound[0]->stop_token_ids, ElementsAre(3, 9, 6137, 6140))
      << "nothing can follow a complete answer";
  EXPECT_EQ(bound[0]->min_tokens, 10) << "until then the end is held back";
  EXPECT_NE(bound[0]->constraint, nullptr);
}

TEST(Sequences, TimesCountFromTheArrival) {
  Generation g = generation();
  const RequestRef shared = make(g)[0];
  const Request& request = *shared;
  EXPECT_EQ(request.arrival, TimePoint(seconds(100)));
  EXPECT_EQ(request.start_deadline, TimePoint(seconds(105)));
  EXPECT_EQ(request.deadline, TimePoint(seconds(150)));
  g.params.timeout = 20;
  EXPECT_EQ(make(g)[0]->deadline, TimePoint(seconds(120)));
  g.params.timeout = 1000;
  EXPECT_EQ(make(g)[0]->deadline, TimePoint(seconds(150)));
}

TEST(Sequences, LogprobsOfThePromptAreForWhoeverSeesThem) {
  Generation g = generation();
  EXPECT_EQ(make(g)[0]->num_logprobs, -1);
  g.params.num_logprobs = 2;
  EXPECT_FALSE(make(g)[0]->prompt_logprobs);
  g.echo = {"a", "b"};
  EXPECT_TRUE(make(g)[0]->prompt_logprobs);
  g.params.prompt_logprobs = 5;
  EXPECT_EQ(make(g)[0]->num_logprobs, 5);
}

TEST(Sequences, CachedPrefixesAreTheTenantsOwn) {
  Generation g = generation();
  g.params.cache_salt = "s";
  EXPECT_EQ(make(g)[0]->cache_scope.tenant, "t");
  EXPECT_EQ(make(g)[0]->cache_scope.salt, "s");
}

TEST(Sequences, BadWordsConstrain) {
  Generation g = generation();
  g.params.bad_words = {"fox"};
  EXPECT_NE(make(g)[0]->constraint, nullptr);
}

TEST(Sequences, CallsOfChoicesHaveIdsOfTheirOwn) {
  Generation g = generation(2);
  g.prompts = {{5}};
  g.form.text.tools =
      ToolParser::Options{.dialect = tool_dialect_by_name("hermes"), .functions = {"f"}};
  std::vector<Choice> choices = make_choices(demo_model(), g, 40, {});
  Metrics all("1");
  ModelMetrics metrics(all, "m");
  std::vector<std::string> ids;
  for (Choice& choice : choices) {
    AnswerEvent whole;
    for (const int32_t id : ids_of("<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>")) {
      TokenOutput output;
      output.token = id;
      if (auto event = choice.take(output, metrics)) whole.append(std::move(*event));
    }
    ASSERT_EQ(whole.calls.size(), 1u);
    ids.push_back(whole.calls[0].id);
  }
  EXPECT_NE(ids[0], ids[1]);
}

}  // namespace
}  // namespace ember
