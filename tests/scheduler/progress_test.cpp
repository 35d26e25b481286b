// SPDX-License-Identifier: Apache-2.0
// A request that begins in the middle answers as the one that was never interrupted.
#include <gtest/gtest.h>

#include <deque>

#include "scheduler/live_request.h"

namespace ember::test {
namespace {

constexpr TimePoint kNow{std::chrono::seconds(1000)};

struct Outcome {
  std::vector<int32_t> tokens;
  std::vector<float> prompt_logprobs;
  FinishReason finish = FinishReason::kNone;
};

Outcome run(const Request& request, int max_in_flight) {
  BlockPool pool({.num_blocks = 16, .block_size = 3});
  Scheduler scheduler({.max_num_batched_tokens = 4,
                       .max_num_seqs = 2,
                       .max_num_logit_rows = 4,
                       .max_model_len = 24,
                       .max_in_flight = max_in_flight},
                      pool);
  FakeModel device(pool);
  EXPECT_TRUE(scheduler.submit(share(request), kNow).ok());
  Outcome outcome;
  std::deque<std::pair<const Step*, std::vector<SampledToken>>> in_flight;
  std::vector<TokenOutput> events;
  while (scheduler.has_work() || !in_flight.empty()) {
    const Step* step = nullptr;
    if (in_flight.size() < static_cast<size_t>(max_in_flight)) step = &scheduler.schedule(kNow);
    if (step != nullptr && !step->seqs.empty()) {
      in_flight.emplace_back(step, device.launch(*step));
    } else {
      scheduler.commit(*in_flight.front().first, in_flight.front().second);
      in_flight.pop_front();
      if (!in_flight.empty() && in_flight.front().first->samples_after_commit)
        device.sample(*in_flight.front().first);
    }
    scheduler.check_invariants();
    scheduler.take_events(events);
  }
  for (const TokenOutput& event : events) {
    if (event.token >= 0) outcome.tokens.push_back(event.token);
    for (const SampledToken& row : event.prompt_logprobs)
      outcome.prompt_logprobs.push_back(row.logprob);
    if (event.finish != FinishReason::kNone) outcome.finish = event.finish;
  }
  return outcome;
}

// A constraint sees the whole answer: FakeModel expects it.
TEST(Progress, CutAtEveryPositionTheContinuationIsThatOfTheUncutRun) {
  int num_cuts = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SeededChoices choices(seed);
    Request request = any_request(choices, seed, kNow);
    request.progress = {};
    request.deadline = request.start_deadline = kNever;
    const Answer uncut = run_alone(request);
    for (size_t cut = 0; cut < uncut.tokens.size(); ++cut) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", cut at " << cut);
      Request rest = request;
      rest.progress.output.assign(uncut.tokens.begin(),
                                  uncut.tokens.begin() + static_cast<long>(cut));
      if (cut > 0)
        rest.progress.num_prompt_logprobs = static_cast<int32_t>(uncut.prompt_logprobs.size());
      const Outcome outcome = run(rest, 1 + static_cast<int>(seed % 2));
      ASSERT_EQ(outcome.tokens, std::vector<int32_t>(uncut.tokens.begin() + static_cast<long>(cut),
                                                     uncut.tokens.end()));
      ASSERT_EQ(outcome.finish, uncut.finish);
      ASSERT_EQ(outcome.prompt_logprobs, cut > 0 ? std::vector<float>() : uncut.prompt_logprobs);
      ++num_cuts;
    }
  }
  EXPECT_GT(num_cuts, 300);
}

TEST(Progress, RefusesWhatIsFinishedAlready) {
  BlockPool pool({.num_blocks = 16, .block_size = 4});
  Scheduler scheduler({.max_model_len = 24}, pool);
  Request request;
  request.id = 1;
  request.prompt = {1, 0, 1};
  request.max_tokens = 2;
  request.progress.output = {0, 1};
  const Result<void> result = scheduler.submit(share(request), kNow);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(result.error().message, "2 tokens of output are there already, max_tokens is 2");
  request.progress.output = {0};
  EXPECT_TRUE(scheduler.submit(share(request), kNow).ok());
}

// Cached tokens are those of the prompt, as they are counted and paid for.
TEST(Progress, OutputThatIsCachedIsNoCachedPrompt) {
  BlockPool pool({.num_blocks = 16, .block_size = 2});
  Scheduler scheduler({.max_model_len = 24}, pool);
  const auto run_to_end = [&](Request request) {
    EXPECT_TRUE(scheduler.submit(share(std::move(request)), kNow).ok());
    std::vector<TokenOutput> events;
    while (scheduler.has_work()) {
      const Step& step = scheduler.schedule(kNow);
      scheduler.commit(step, std::vector<SampledToken>(static_cast<size_t>(step.num_logit_rows),
                                                       SampledToken{.token = 7}));
      scheduler.take_events(events);
    }
    return events.back().num_cached_tokens;
  };
  Request request;
  request.id = 1;
  request.prompt = {1, 2, 3};
  request.max_tokens = 9;
  EXPECT_EQ(run_to_end(request), 0);
  request.id = 2;
  request.progress.output = {7, 7, 7, 7, 7, 7};
  EXPECT_EQ(run_to_end(request), 3);
}

}  // namespace
}  // namespace ember::test
