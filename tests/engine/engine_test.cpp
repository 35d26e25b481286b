// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "base/scripted_constraint.h"
#include "ember/engine/fake_runner.h"
#include "engine/recorder.h"
#include "engine/serving_engine.h"

namespace ember {
namespace {

constexpr int32_t kVocab = 1000;
constexpr SchedulerConfig kConfig{.max_num_batched_tokens = 32,
                                  .max_num_seqs = 8,
                                  .max_num_logit_rows = 8,
                                  .max_model_len = 64,
                                  .max_num_queued_reqs = 100};
constexpr BlockPoolConfig kPool{.num_blocks = 40, .block_size = 4};

Request request(RequestId id, int prompt_tokens, int max_tokens) {
  Request r;
  r.id = id;
  for (int i = 0; i < prompt_tokens; ++i)
    r.prompt.push_back(static_cast<int32_t>((id * 31 + static_cast<uint64_t>(i) * 7) % kVocab));
  r.max_tokens = max_tokens;
  r.sampling.seed = id;
  return r;
}

// What the fake model says, computed alone.
std::vector<int32_t> expected(const Request& r) {
  std::vector<int32_t> tokens = r.prompt;
  for (int i = 0; i < r.max_tokens; ++i)
    tokens.push_back(FakeRunner::next_token(tokens, r.sampling.seed, kVocab));
  return {tokens.begin() + static_cast<long>(r.prompt.size()), tokens.end()};
}

TEST(Engine, AnswersManyRequestsAsIfEachWereAlone) {
  Recorder sink;
  ServingEngine engine(kConfig, kPool, std::make_unique<FakeRunner>(kVocab, Duration::zero()),
                       sink);
  constexpr int kRequests = 60;
  for (RequestId id = 1; id <= kRequests; ++id)
    engine->submit(
        share(request(id, 1 + static_cast<int>(id % 30), 1 + static_cast<int>(id % 17))));
  ASSERT_TRUE(sink.wait_finished(kRequests));
  for (RequestId id = 1; id <= kRequests; ++id) {
    const Recorder::Answer answer = sink.answer(id);
    EXPECT_EQ(answer.tokens,
              expected(request(id, 1 + static_cast<int>(id % 30), 1 + static_cast<int>(id % 17))))
        << id;
    EXPECT_EQ(answer.finish, FinishReason::kLength);
    EXPECT_EQ(answer.num_finals, 1);
  }
  const StepReport report = sink.next_report();
  EXPECT_EQ(report.scheduler.num_running, 0);
  EXPECT_EQ(report.scheduler.num_used_blocks, 0);
}

TEST(Engine, CancelEndsARequestAndFreesItsBlocks) {
  Recorder sink;
  ServingEngine engine(kConfig, kPool,
                       std::make_unique<FakeRunner>(kVocab, std::chrono::milliseconds(1)), sink);
  engine->submit(share(request(1, 10, 50)));
  ASSERT_TRUE(sink.wait_tokens(1, 1));
  engine->cancel(1);
  engine->cancel(77);  // unknown
  ASSERT_TRUE(sink.wait_finished(1));
  const Recorder::Answer answer = sink.answer(1);
  EXPECT_EQ(answer.finish, FinishReason::kCancelled);
  EXPECT_EQ(answer.events.back().finish, FinishReason::kCancelled);
  EXPECT_LT(answer.tokens.size(), 50u);
  EXPECT_EQ(sink.next_report().scheduler.num_used_blocks, 0);
}

TEST(Engine, TellsWhereEverySequenceStands) {
  Recorder sink;
  ServingEngine engine(kConfig, kPool,
                       std::make_unique<FakeRunner>(kVocab, std::chrono::milliseconds(1)), sink);
  EXPECT_TRUE(engine->traces().get().empty());
  engine->submit(share(request(1, 10, 50)));
  ASSERT_TRUE(sink.wait_tokens(1, 2));
  const std::vector<SequenceTrace> traces = engine->traces().get();
  ASSERT_EQ(traces.size(), 1u);
  EXPECT_EQ(traces[0].id, 1u);
  EXPECT_EQ(traces[0].phase, SequencePhase::kDecode);
  EXPECT_GE(traces[0].num_output_tokens, 2);
  engine->cancel(1);
  ASSERT_TRUE(sink.wait_finished(1));
  const Recorder::Answer answer = sink.answer(1);
  ASSERT_NE(answer.events.back().trace, nullptr) << "the last event has it too";
  EXPECT_EQ(answer.events.back().trace->phase, SequencePhase::kEnded);
  for (size_t i = 0; i + 1 < answer.events.size(); ++i) EXPECT_EQ(answer.events[i].trace, nullptr);
  engine.stop();
  EXPECT_EQ(engine->traces().wait_for(std::chrono::milliseconds(1)), std::future_status::timeout);
}

TEST(Engine, StopAnswersWhatIsUnfinished) {
  Recorder sink;
  ServingEngine engine(kConfig, kPool,
                       std::make_unique<FakeRunner>(kVocab, std::chrono::milliseconds(5)), sink);
  for (RequestId id = 1; id <= 20; ++id) engine->submit(share(request(id, 10, 50)));
  ASSERT_TRUE(sink.wait_tokens(1, 1));
  engine.stop();
  for (RequestId id = 1; id <= 20; ++id)
    EXPECT_EQ(sink.answer(id).finish, FinishReason::kEngineFailed) << id;
}

TEST(Engine, WaitingRequestsMeetTheirDeadlineWithoutASlot) {
  Recorder sink;
  SchedulerConfig config = kConfig;
  config.max_num_seqs = 1;
  ServingEngine engine(config, kPool,
                       std::make_unique<FakeRunner>(kVocab, std::chrono::milliseconds(2)), sink);
  engine->submit(share(request(1, 4, 60)));
  Request late = request(2, 4, 4);
  late.start_deadline = Clock::now() + std::chrono::milliseconds(5);
  engine->submit(share(late));
  ASSERT_TRUE(sink.wait_finished(2));
  EXPECT_EQ(sink.answer(2).finish, FinishReason::kQueueTimeout);
  EXPECT_EQ(sink.answer(1).finish, FinishReason::kLength);
}

TEST(Engine, ARequestThatTheSchedulerRefusesIsAnswered) {
  Recorder sink;
  ServingEngine engine(kConfig, kPool, std::make_unique<FakeRunner>(kVocab, Duration::zero()),
                       sink);
  engine->submit(share(request(1, 60, 60)));  // more than max_model_len
  ASSERT_TRUE(sink.wait_finished(1));
  EXPECT_EQ(sink.answer(1).finish, FinishReason::kEngineFailed);
}

// Whose device is gone at its n-th launch, wait or late sampling (samples_after_commit).
class BrokenRunner final : public StepRunner {
 public:
  enum class Call { kLaunch, kSample, kWait };
  BrokenRunner(Call call, int n, std::atomic<int>& num_calls)
      : call_(call), left_(n), num_calls_(num_calls) {}
  int max_in_flight() const override { return runner_.max_in_flight(); }
  void launch(const Step& step) override {
    count(Call::kLaunch);
    runner_.launch(step);
  }
  void sample(const Step& step) override {
    count(Call::kSample);
    runner_.sample(step);
  }
  std::span<const SampledToken> wait() override {
    count(Call::kWait);
    return runner_.wait();
  }

 private:
  void count(Call call) {
    ++num_calls_;
    if (call == call_ && --left_ == 0) throw std::runtime_error("the device is gone");
  }

  FakeRunner runner_{kVocab, Duration::zero()};
  const Call call_;
  int left_;
  std::atomic<int>& num_calls_;
};

TEST(Engine, AFailedDeviceFailsEverythingAndWhatComesLater) {
  using Call = BrokenRunner::Call;
  for (const Call call : {Call::kLaunch, Call::kSample, Call::kWait}) {
    SCOPED_TRACE(static_cast<int>(call));
    std::atomic<int> num_calls = 0;
    Recorder sink;
    ServingEngine engine(kConfig, kPool, std::make_unique<BrokenRunner>(call, 4, num_calls), sink);
    Request r = request(1, 4, 40);
    r.constraint = scripted(std::vector(40, ScriptedConstraint::Ids{1, 2, 3, 500}));
    engine->submit(share(std::move(r)));
    ASSERT_TRUE(sink.wait_finished(1));
    EXPECT_EQ(sink.answer(1).finish, FinishReason::kEngineFailed);
    EXPECT_EQ(sink.answer(1).num_finals, 1);
    const size_t num_tokens = sink.answer(1).tokens.size();
    EXPECT_TRUE(num_tokens >= 2 && num_tokens <= 4) << num_tokens;
    while (!engine->failed()) std::this_thread::yield();
    const int before = num_calls;
    engine->submit(share(request(2, 4, 4)));
    ASSERT_TRUE(sink.wait_finished(2));
    EXPECT_EQ(sink.answer(2).finish, FinishReason::kEngineFailed);
    EXPECT_EQ(sink.next_report().scheduler.num_used_blocks, 0);
    EXPECT_EQ(num_calls, before) << "nothing more is asked of the runner";
  }
}

// Notes what it is asked for: L launch, S sample, W wait; in small letters where request 2 is no
// part of the step.
class LoggedRunner final : public StepRunner {
 public:
  explicit LoggedRunner(std::string& log) : log_(log) {}
  int max_in_flight() const override { return runner_.max_in_flight(); }
  void launch(const Step& step) override {
    const bool part = std::ranges::any_of(
        step.seqs, [](const ScheduledSequence& s) { return s.seq->request->id == 2; });
    log_ += part ? 'L' : 'l';
    runner_.launch(step);
  }
  void sample(const Step& step) override {
    log_ += 'S';
    runner_.sample(step);
  }
  std::span<const SampledToken> wait() override {
    log_ += 'W';
    return runner_.wait();
  }

 private:
  FakeRunner runner_{kVocab, Duration::zero()};
  std::string& log_;
};

// The step is launched before the token before is known; only its sampling waits for that.
TEST(Engine, AConstrainedAnswerGetsATokenInEveryStep) {
  std::string log;
  Recorder sink;
  {
    ServingEngine engine(kConfig, kPool, std::make_unique<LoggedRunner>(log), sink);
    engine->submit(share(request(1, 3, 50)));
    Request r = request(2, 3, 20);
    r.constraint = scripted(std::vector(20, ScriptedConstraint::Ids{1, 2, 3, 500}));
    engine->submit(share(std::move(r)));
    ASSERT_TRUE(sink.wait_finished(2));
  }
  EXPECT_EQ(sink.answer(2).tokens.size(), 20u);
  EXPECT_EQ(sink.answer(1).tokens, expected(request(1, 3, 50)));
  const size_t first = log.find('L'), last = log.rfind('L');
  const std::string steps = log.substr(first, last + 1 - first);
  EXPECT_EQ(std::ranges::count(steps, 'L'), 20) << log;
  EXPECT_EQ(std::ranges::count(steps, 'l'), 0) << "steps without it: " << log;
  EXPECT_NE(log.find("LWSLWSLWSLWS"), std::string::npos) << log;
}

TEST(Engine, AConstraintDecidesOneAnswerAndNobodyElses) {
  Recorder sink;
  ServingEngine engine(kConfig, kPool, std::make_unique<FakeRunner>(kVocab, Duration::zero()),
                       sink);
  for (RequestId id = 1; id <= 8; ++id) {
    Request r = request(id, 1 + static_cast<int>(id), 6);
    if (id == 2) r.constraint = scripted({{10}, {20, 21}, {30}, {kVocab - 1}});
    if (id == 4) r.constraint = scripted({{10}, {}});
    r.stop_token_ids = {kVocab - 1};
    engine->submit(share(std::move(r)));
  }
  ASSERT_TRUE(sink.wait_finished(8));
  const Recorder::Answer good = sink.answer(2);
  ASSERT_EQ(good.tokens.size(), 4u);
  EXPECT_EQ(good.tokens[0], 10);
  EXPECT_TRUE(good.tokens[1] == 20 || good.tokens[1] == 21);
  EXPECT_EQ(good.tokens[2], 30);
  EXPECT_EQ(good.finish, FinishReason::kStop);
  const Recorder::Answer bad = sink.answer(4);
  EXPECT_EQ(bad.tokens, (std::vector<int32_t>{10}));
  EXPECT_EQ(bad.finish, FinishReason::kConstraintFailed);
  for (const RequestId id : {1u, 3u, 5u, 6u, 7u, 8u})
    EXPECT_EQ(sink.answer(id).tokens, expected(request(id, 1 + static_cast<int>(id), 6))) << id;
}

}  // namespace
}  // namespace ember
