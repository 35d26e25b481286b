// SPDX-License-Identifier: Apache-2.0
// Penalties as whole requests have them: what the device remembers of a sequence is that
// sequence's, from the first request on, with drafts, and with a step ahead.
#include <gtest/gtest.h>

#include <deque>

#include "backend/cuda/cuda_engine.h"

namespace ember {
namespace {

class CudaPenalties : public Cuda {
 protected:
  // What is proposed behind the first `done` tokens of an answer: what follows, or the same with
  // another token in the second place.
  static std::vector<int32_t> draft(std::span<const int32_t> answer, size_t done, bool right) {
    const auto next = answer.subspan(std::min(done, answer.size()));
    std::vector<int32_t> draft(next.begin(),
                               next.begin() + std::min<ptrdiff_t>(3, std::ssize(next)));
    if (!right && draft.size() > 1) draft[1] = draft[1] == 7 ? 8 : 7;
    return draft;
  }

  // As the engine's loop, with a step ahead. Where `expected` has the answers, four of six turns
  // have none ahead, and their steps verify drafts: by turns right ones, and some with a wrong
  // token, which no penalty may count.
  std::vector<Recorder::Answer> answers_in_steps(const Case& s,
                                                 const std::vector<Request>& requests,
                                                 const std::vector<Recorder::Answer>& expected,
                                                 SchedulerStats& stats) const {
    Recorder sink;
    Built built = build(config_, s, true);
    StepRunner& runner = *built.runner;
    SchedulerConfig config = scheduler_config(s);
    config.max_in_flight = runner.max_in_flight();
    BlockPool pool(pool_config(built, s));
    Scheduler scheduler(config, pool);
    for (const Request& request : requests) EXPECT_TRUE(scheduler.submit(share(request), {}).ok());
    std::deque<const Step*> in_flight;
    for (int turn = 0; scheduler.has_work() || !in_flight.empty(); ++turn) {
      const bool drafts = !expected.empty() && turn % 6 >= 2;
      while (static_cast<int>(in_flight.size()) < (drafts ? 1 : config.max_in_flight)) {
        for (size_t r = 0; drafts && r < requests.size(); ++r)
          scheduler.propose(
              requests[r].id,
              draft(expected[r].tokens, sink.answer(requests[r].id).tokens.size(), turn % 2 == 0));
        const Step& step = scheduler.schedule({});
        if (step.seqs.empty()) break;
        runner.launch(step);
        in_flight.push_back(&step);
      }
      scheduler.commit(*in_flight.front(), runner.wait());
      in_flight.pop_front();
      std::vector<TokenOutput> events;
      scheduler.take_events(events);
      sink.on_step(std::move(events), {});
    }
    stats = scheduler.stats();
    std::vector<Recorder::Answer> result;
    for (const Request& request : requests) result.push_back(sink.answer(request.id));
    return result;
  }

  const DecoderConfig config_ =
      dummy_config("llama2", [](nlohmann::json& c) { c["num_hidden_layers"] = 1; });
};

// The warm-up samples rows with penalties too: in a step of 257 tokens two, one for each of its
// prompts.
TEST_F(CudaPenalties, TheFirstRequestHasItsOwn) {
  Request r = request(1, 10, 2);
  r.prompt[4] = 3;
  std::erase(r.prompt, 4);
  r.sampling.repetition_penalty = 1000;
  r.sampling.allowed_token_ids = {3, 4};
  r.sampling.logit_bias = {{3, 100}, {4, 50}};
  const Case setup{.max_num_batched_tokens = 257, .max_logit_rows = 257};
  EXPECT_EQ(answers(config_, setup, {r}, true).front().tokens, (std::vector<int32_t>{4, 3}))
      << "3 is in the prompt, and 4 then in the answer";
}

// The first two say what biases and penalties decide, whatever the model: a token comes again until
// its penalty lets the next one in beside it. The third draws.
std::vector<Request> penalized_requests() {
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 3; ++id) {
    Request& r = requests.emplace_back(request(id, 12, 28));
    for (size_t i = 0; i < r.prompt.size(); ++i) r.prompt[i] = static_cast<int32_t>(7 + i % 3);
    r.sampling = {.temperature = 0,
                  .repetition_penalty = id == 1 ? 1.2f : 1.0f,
                  .presence_penalty = 0.1f,
                  .frequency_penalty = 1000,
                  .seed = id,
                  .logit_bias = {{8, -2200}, {9, -4400}, {40, -6450}},
                  .allowed_token_ids = {7, 8, 9, 40}};
  }
  SamplingParams& draws = requests.back().sampling;
  draws.temperature = 0.9f;
  draws.frequency_penalty = 1.5f;
  draws.logit_bias.clear();
  draws.allowed_token_ids = {7, 8};
  return requests;
}

TEST_F(CudaPenalties, DraftsChangeNoAnswer) {
  SCOPED_TRACE(testing::Message() << "seed " << seed_);
  const std::vector<Request> requests = penalized_requests();
  for (const int sm : {90, 80}) {
    const Case setup{.sm = sm, .max_num_seqs = 12, .max_logit_rows = 12, .delay = 100};
    SchedulerStats stats;
    const std::vector<Recorder::Answer> expected = answers_in_steps(setup, requests, {}, stats),
                                        got = answers_in_steps(setup, requests, expected, stats);
    for (size_t r = 0; r < requests.size(); ++r) expect_equal_bits(got[r], expected[r]);
    EXPECT_EQ(stats.num_draft_tokens, 60u);
    EXPECT_EQ(stats.num_accepted_tokens, 33u) << "the others were wrong";
  }
}

TEST_F(CudaPenalties, WithDraftsTheAnswersAreTheCpus) {
  std::vector<Request> requests = penalized_requests();
  requests.pop_back();  // that draws
  const Case setup{.max_num_seqs = 8, .delay = 100};
  const std::vector<Recorder::Answer> cpu = answers(config_, setup, requests, false);
  SchedulerStats stats;
  const std::vector<Recorder::Answer> gpu = answers_in_steps(setup, requests, cpu, stats);
  for (size_t r = 0; r < requests.size(); ++r) EXPECT_EQ(gpu[r].tokens, cpu[r].tokens);
  EXPECT_GT(stats.num_draft_tokens, stats.num_accepted_tokens);
}

}  // namespace
}  // namespace ember
