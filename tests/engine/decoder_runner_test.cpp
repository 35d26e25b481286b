// SPDX-License-Identifier: Apache-2.0
// Through scheduler and model: the same request gives the same bits, whatever happens around it.
#include "ember/engine/decoder_runner.h"

#include <gtest/gtest.h>

#include "base/scripted_constraint.h"
#include "ember/backend/cpu/cpu_backend.h"
#include "ember/engine/engine_thread.h"
#include "ember/model/safetensors.h"
#include "engine/recorder.h"

namespace ember {
namespace {

const std::filesystem::path kDemo = std::filesystem::path(EMBER_SOURCE_DIR) / "configs/demo-model";

const std::filesystem::path kTiny = std::filesystem::path(EMBER_SOURCE_DIR) / "tests/data/tiny";

struct Setup {
  std::filesystem::path model = kDemo;
  int max_num_batched_tokens = 512;
  int num_blocks = 512;
  int block_size = 16;
  bool caching = true;
  int num_threads = 2;
  int max_in_flight = 1;
};

std::vector<Request> some_requests(int n) {
  std::vector<Request> requests;
  for (int i = 0; i < n; ++i) {
    Request r;
    r.id = static_cast<RequestId>(i) + 1;
    for (int t = 0; t < 5 + i * 13 % 70; ++t)
      r.prompt.push_back((i / 3 * 17 + t * 31) % 6000);  // some share their beginning
    r.max_tokens = 12;
    r.num_logprobs = 3;
    r.sampling.seed = static_cast<uint64_t>(i);
    r.sampling.temperature = i % 2 == 0 ? 0.0f : 0.9f;
    r.sampling.top_p = i % 4 == 1 ? 0.9f : 1.0f;
    r.sampling.frequency_penalty = i % 5 == 0 ? 0.7f : 0.0f;
    r.sampling.repetition_penalty = i % 7 == 0 ? 1.3f : 1.0f;
    r.min_tokens = i % 6;
    r.stop_token_ids = {11, 46, 300};
    requests.push_back(std::move(r));
  }
  return requests;
}

// The same for the vocabulary of a tiny model.
std::vector<Request> tiny_requests(int n) {
  std::vector<Request> requests = some_requests(n);
  for (Request& r : requests) {
    for (int32_t& token : r.prompt) token %= 128;
    r.stop_token_ids = {11, 46};
  }
  return requests;
}

std::unique_ptr<Engine> make_engine(const Setup& setup, OutputSink& sink) {
  std::unique_ptr<Backend> backend =
      make_cpu_backend({.num_threads = setup.num_threads, .max_in_flight = setup.max_in_flight});
  const DecoderLimits limits{.max_tokens = setup.max_num_batched_tokens,
                             .max_logit_rows = 16,
                             .max_model_len = 128,
                             .num_blocks = setup.num_blocks,
                             .block_size = setup.block_size};
  auto decoder = std::make_unique<Decoder>(*backend, load_decoder_config(setup.model),
                                           SafetensorsCheckpoint(setup.model), LoadOptions{});
  return std::make_unique<Engine>(
      SchedulerConfig{.max_num_batched_tokens = setup.max_num_batched_tokens,
                      .max_num_seqs = 16,
                      .max_num_logit_rows = 16,
                      .max_model_len = 128},
      BlockPoolConfig{.num_blocks = setup.num_blocks,
                      .block_size = setup.block_size,
                      .enable_prefix_caching = setup.caching},
      std::make_unique<DecoderRunner>(
          std::make_unique<RankGroup>(std::move(backend), std::move(decoder)), limits, 16,
          setup.num_threads),
      sink);
}

std::vector<Recorder::Answer> run(const Setup& setup, const std::vector<Request>& requests,
                                  bool one_by_one) {
  Recorder sink;
  EngineThread thread([&](const LoadProgress&) { return make_engine(setup, sink); });
  const std::shared_ptr<Engine> engine = thread.engine();
  int submitted = 0;
  for (const Request& request : requests) {
    engine->submit(share(request));
    ++submitted;
    if (one_by_one) {
      EXPECT_TRUE(sink.wait_finished(submitted));
    }
  }
  EXPECT_TRUE(sink.wait_finished(submitted));
  std::vector<Recorder::Answer> answers;
  for (const Request& request : requests) answers.push_back(sink.answer(request.id));
  return answers;
}

void expect_equal(const std::vector<Recorder::Answer>& a, const std::vector<Recorder::Answer>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].tokens, b[i].tokens) << i;
    ASSERT_EQ(a[i].events.size(), b[i].events.size()) << i;
    for (size_t e = 0; e < a[i].events.size(); ++e) {
      EXPECT_EQ(a[i].events[e].logprob, b[i].events[e].logprob) << i << " " << e;
      ASSERT_EQ(a[i].events[e].top_logprobs.size(), 3u);
      for (size_t k = 0; k < 3; ++k) {
        EXPECT_EQ(a[i].events[e].top_logprobs[k].token, b[i].events[e].top_logprobs[k].token);
        EXPECT_EQ(a[i].events[e].top_logprobs[k].logprob, b[i].events[e].top_logprobs[k].logprob);
      }
    }
  }
}

TEST(DecoderRunner, TokensAndLogprobsAreTheSameBitsInEveryCompany) {
  const std::vector<Request> requests = some_requests(32);
  const std::vector<Recorder::Answer> alone = run({.caching = false}, requests, true);
  {
    SCOPED_TRACE("in a batch");
    expect_equal(alone, run({.caching = false}, requests, false));
  }
  {
    SCOPED_TRACE("with prefix hits");
    expect_equal(alone, run({}, requests, false));
  }
  {
    SCOPED_TRACE("in chunks of 16 tokens");
    expect_equal(alone, run({.max_num_batched_tokens = 16}, requests, false));
  }
  {
    SCOPED_TRACE("with preemption");
    expect_equal(alone, run({.max_num_batched_tokens = 64, .num_blocks = 16}, requests, false));
  }
  {
    SCOPED_TRACE("with blocks of 4 tokens, on one thread");
    expect_equal(alone,
                 run({.num_blocks = 2048, .block_size = 4, .num_threads = 1}, requests, false));
  }
  {
    SCOPED_TRACE("one step ahead");
    expect_equal(alone, run({.max_in_flight = 2}, requests, false));
  }
  {
    SCOPED_TRACE("one step ahead, in chunks, with preemption");
    expect_equal(alone, run({.max_num_batched_tokens = 32, .num_blocks = 16, .max_in_flight = 2},
                            requests, false));
  }
}

// Alone on two threads, in a batch on one, in chunks with preemption, and that one step ahead.
void expect_equal_in_every_company(const std::filesystem::path& model) {
  const std::vector<Request> requests = tiny_requests(12);
  const Setup plain{.model = model, .caching = false};
  const std::vector<Recorder::Answer> alone = run(plain, requests, true);
  Setup setup = plain;
  setup.num_threads = 1;
  expect_equal(alone, run(setup, requests, false));
  setup = {.model = model, .max_num_batched_tokens = 16, .num_blocks = 16};
  expect_equal(alone, run(setup, requests, false));
  setup = {.model = model, .num_blocks = 64, .block_size = 4, .max_in_flight = 2};
  expect_equal(alone, run(setup, requests, false));
}

TEST(DecoderRunner, SoTheyAreWithEveryKindOfLayer) {
  for (const char* name :
       {"glm4", "qwen2_window", "gemma2", "gemma3", "phi3_long", "olmo2", "granite", "smollm3"}) {
    SCOPED_TRACE(name);
    expect_equal_in_every_company(kTiny / name);
  }
}

// With a step ahead only the sampling of their steps waits.
TEST(DecoderRunner, ConstrainedAnswersAreTheSameOneStepAhead) {
  std::vector<Request> requests = some_requests(12);
  for (size_t i = 0; i < requests.size(); ++i) {
    if (i % 3 == 0) continue;
    std::vector<ScriptedConstraint::Ids> allowed(12);
    for (int32_t at = 0; at < 12; ++at)
      for (int32_t id = 0; id < 40; ++id)
        allowed[static_cast<size_t>(at)].push_back((at + 1) * 97 + id * 113);
    allowed[5].push_back(46);  // a stop id
    requests[i].constraint = scripted(allowed);
  }
  const std::vector<Recorder::Answer> alone = run({.caching = false}, requests, true);
  for (size_t i = 1; i < requests.size(); i += 3)
    for (size_t at = 0; at < alone[i].tokens.size(); ++at) {
      const int32_t token = alone[i].tokens[at];
      EXPECT_TRUE((token - (static_cast<int32_t>(at) + 1) * 97) % 113 == 0 || token == 46) << token;
    }
  expect_equal(alone, run({.max_in_flight = 2}, requests, false));
  expect_equal(alone, run({.max_num_batched_tokens = 32, .num_blocks = 16, .max_in_flight = 2},
                          requests, false));
}

// As when another engine has begun it: every bit of what follows is that of the uncut run.
TEST(DecoderRunner, ARequestGoesOnWhereAnotherEngineStopped) {
  const std::vector<Request> requests = some_requests(8);
  const std::vector<Recorder::Answer> uncut = run({}, requests, false);
  std::vector<Request> cuts;
  std::vector<std::pair<size_t, size_t>> origins;  // request, tokens before the cut
  for (size_t r = 0; r < requests.size(); ++r)
    for (size_t cut = 1; cut < uncut[r].tokens.size(); ++cut) {
      Request& request = cuts.emplace_back(requests[r]);
      request.id = cuts.size();
      const auto begin = uncut[r].tokens.begin();
      request.progress.output.assign(begin, begin + static_cast<long>(cut));
      origins.emplace_back(r, cut);
    }
  const std::vector<Recorder::Answer> rest = run({.max_in_flight = 2}, cuts, false);
  for (size_t i = 0; i < cuts.size(); ++i) {
    const auto [r, cut] = origins[i];
    Recorder::Answer expected = uncut[r];
    expected.tokens.erase(expected.tokens.begin(),
                          expected.tokens.begin() + static_cast<long>(cut));
    expected.events.erase(expected.events.begin(),
                          expected.events.begin() + static_cast<long>(cut));
    SCOPED_TRACE(testing::Message() << "request " << r << " cut at " << cut);
    expect_equal({expected}, {rest[i]});
    EXPECT_EQ(rest[i].finish, expected.finish);
  }
}

}  // namespace
}  // namespace ember
