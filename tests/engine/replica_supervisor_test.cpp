// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/replica_supervisor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "ember/engine/fake_runner.h"
#include "engine/recorder.h"

namespace ember {
namespace {

constexpr int32_t kVocab = 1000;

struct NoSink final : OutputSink {
  void on_step(std::vector<TokenOutput>, const StepReport&) override {}
};

// Engines over fake devices; each life takes the next fault, later ones have none.
class Replicas {
 public:
  Replicas(int count, std::vector<FakeFault> faults, int max_replays = 2)
      : set_({.max_replays = max_replays}, sink), faults_(std::move(faults)) {
    for (int i = 0; i < count; ++i) set_.add(none_);
    supervisor_.emplace(
        set_, count, Duration::max(),
        [this](ReplicaId, OutputSink& to, const LoadProgress&) { return make(to); });
    supervisor_->start([](EngineThread&) {});
  }

  void submit(RequestId id, int max_tokens) {
    Request r;
    r.id = id;
    r.prompt = {1, 2, static_cast<int32_t>(id)};
    r.max_tokens = max_tokens;
    set_.submit(share(std::move(r)));
  }
  std::vector<int32_t> expected(RequestId id, int max_tokens) const {
    std::vector<int32_t> tokens = {1, 2, static_cast<int32_t>(id)};
    for (int i = 0; i < max_tokens; ++i)
      tokens.push_back(FakeRunner::next_token(tokens, 0, kVocab));
    return {tokens.begin() + 3, tokens.end()};
  }
  ReplicaSet& set() { return set_; }

  Recorder sink;
  std::atomic<int> num_unmade{0};  // so many lives cannot be made from now on

 private:
  std::unique_ptr<Engine> make(OutputSink& to) {
    if (num_unmade.fetch_sub(1) > 0) throw std::runtime_error("no memory");
    const auto life = static_cast<size_t>(num_lives_++);
    return std::make_unique<Engine>(
        SchedulerConfig{.max_num_batched_tokens = 32,
                        .max_num_seqs = 8,
                        .max_num_logit_rows = 8,
                        .max_model_len = 300,
                        .max_num_queued_reqs = 100},
        BlockPoolConfig{.num_blocks = 200, .block_size = 4},
        std::make_unique<FakeRunner>(kVocab, std::chrono::microseconds(200), 2,
                                     life < faults_.size() ? faults_[life] : FakeFault()),
        to);
  }

  NoSink none_;
  ReplicaSet set_;
  const std::vector<FakeFault> faults_;
  std::atomic<int> num_lives_{0};
  std::optional<ReplicaSupervisor> supervisor_;
};

TEST(ReplicaSupervisor, FailuresOfReplicasChangeNoAnswer) {
  Replicas replicas(2, {{.step = 30}, {.step = 70}});
  constexpr int kRequests = 20, kTokens = 100;
  for (RequestId id = 1; id <= kRequests; ++id) replicas.submit(id, kTokens);
  ASSERT_TRUE(replicas.sink.wait_finished(kRequests));
  for (RequestId id = 1; id <= kRequests; ++id) {
    const Recorder::Answer answer = replicas.sink.answer(id);
    EXPECT_EQ(answer.finish, FinishReason::kLength);
    EXPECT_EQ(answer.tokens, replicas.expected(id, kTokens));
    EXPECT_EQ(answer.num_finals, 1);
  }
  EXPECT_GT(replicas.set().totals().num_replays, 0u);
}

TEST(ReplicaSupervisor, MakesAReplicaAgainUntilItCanBeMade) {
  Replicas replicas(1, {{.step = 10}}, 3);
  replicas.num_unmade = 1;
  replicas.submit(1, 50);
  ASSERT_TRUE(replicas.sink.wait_finished(1));
  EXPECT_EQ(replicas.sink.answer(1).tokens, replicas.expected(1, 50));
  EXPECT_EQ(replicas.set().replicas()[0].num_lives, 3u);
}

TEST(ReplicaSupervisor, WhatStopsTheFirstLoadingStopsTheStart) {
  NoSink none;
  Recorder sink;
  ReplicaSet set({}, sink);
  set.add(none);
  ReplicaSupervisor broken(
      set, 1, Duration::max(),
      [](ReplicaId, OutputSink&, const LoadProgress&) -> std::unique_ptr<Engine> {
        throw std::runtime_error("no model");
      });
  EXPECT_THROW(broken.start([](EngineThread&) {}), std::runtime_error);
}

TEST(ReplicaSupervisor, WhoWatchesTheLoadingMayEndIt) {
  NoSink none;
  Recorder sink;
  ReplicaSet set({}, sink);
  set.add(none);
  ReplicaSupervisor endless(
      set, 1, Duration::max(),
      [](ReplicaId, OutputSink&, const LoadProgress& progress) -> std::unique_ptr<Engine> {
        for (;;) {
          progress(1, 2);
          std::this_thread::yield();
        }
      });
  EXPECT_THROW(endless.start([](EngineThread&) { throw LoadStopped(); }), LoadStopped);
  EXPECT_TRUE(endless.stop());
}

}  // namespace
}  // namespace ember
