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
  // As the engine's loop, but that each step is said to take as long as any other: which drafts pay
  // does not depend on the machine.
  std::vector<Recorder::Answer> answers_in_equal_steps(const Case& s,
                                                       const std::vector<Request>& requests,
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
    while (scheduler.has_work() || !in_flight.empty()) {
      while (static_cast<int>(in_flight.size()) < config.max_in_flight) {
        const Step& step = scheduler.schedule({});
        if (step.seqs.empty()) break;
        runner.launch(step);
        in_flight.push_back(&step);
      }
      scheduler.commit(*in_flight.front(), runner.wait(), std::chrono::milliseconds(1));
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

// Their answers say the same over and over, or for some steps nothing that was drafted.
std::vector<Request> repeating_requests() {
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 3; ++id) {
    Request& r = requests.emplace_back(request(id, 12, 40, static_cast<int>(id)));
    for (size_t i = 0; i < r.prompt.size(); ++i) r.prompt[i] = static_cast<int32_t>(7 + i % 3);
    r.sampling = {.temperature = id == 3 ? 0.9f : 0.0f,
                  .repetition_penalty = id == 1 ? 1.2f : 1.0f,
                  .presence_penalty = 0.1f,
                  .frequency_penalty = 1.5f,
                  .seed = id};
    r.sampling.allowed_token_ids = {7, 8};
    if (id != 3) r.sampling.allowed_token_ids.insert(r.sampling.allowed_token_ids.end(), {9, 40});
  }
  return requests;
}

TEST_F(CudaPenalties, DraftsChangeNoAnswer) {
  SCOPED_TRACE(testing::Message() << "seed " << seed_);
  const std::vector<Request> requests = repeating_requests();
  for (const int sm : {90, 80}) {
    const Case plain{.sm = sm, .max_num_seqs = 8, .delay = 100};
    Case drafted = plain;
    drafted.num_speculative_tokens = 3;
    SchedulerStats stats;
    const std::vector<Recorder::Answer> expected = answers_in_equal_steps(plain, requests, stats),
                                        got = answers_in_equal_steps(drafted, requests, stats);
    for (size_t r = 0; r < requests.size(); ++r) expect_equal_bits(got[r], expected[r]);
    EXPECT_GT(stats.num_accepted_tokens, 10u);
    EXPECT_GT(stats.num_draft_tokens, stats.num_accepted_tokens) << "some must be wrong too";
  }
}

TEST_F(CudaPenalties, WithDraftsTheAnswersAreTheCpus) {
  std::vector<Request> requests = repeating_requests();
  requests.pop_back();  // that draws
  expect_same(config_, {.max_num_seqs = 8, .num_speculative_tokens = 3, .delay = 100}, requests);
}

}  // namespace
}  // namespace ember
