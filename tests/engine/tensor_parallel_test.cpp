// SPDX-License-Identifier: Apache-2.0
// Several CPU ranks compute what one computes, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <random>
#include <thread>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/base/start_error.h"
#include "ember/engine/decoder_runner.h"
#include "ember/engine/engine_thread.h"
#include "ember/model/quantized_checkpoint.h"
#include "engine/faulty_backend.h"
#include "engine/recorder.h"
#include "model/model_runner.h"
#include "model/temp_model.h"

namespace ember {
namespace {

const std::filesystem::path kData = std::filesystem::path(EMBER_SOURCE_DIR) / "tests/data";
constexpr DecoderLimits kLimits{.max_tokens = 128,
                                .max_logit_rows = 4,
                                .max_model_len = 128,
                                .num_blocks = 16,
                                .block_size = 16};

struct Setup {
  std::string isa = "auto";
  CpuActivations activations = CpuActivations::kInt16;
  std::optional<DType> dtype = {};
  int threads = 1;
};

using Wrap = std::function<std::unique_ptr<Backend>(int rank, std::unique_ptr<Backend>)>;

std::unique_ptr<RankGroup> load(
    const std::filesystem::path& dir, int num_ranks, const Setup& setup,
    const Wrap& wrap = [](int, std::unique_ptr<Backend> backend) { return backend; }) {
  const DecoderConfig config = load_decoder_config(dir);
  const auto meeting = std::make_shared<Rendezvous>(num_ranks);
  const auto exchange = num_ranks > 1 ? make_cpu_exchange(meeting) : nullptr;
  auto group = std::make_unique<RankGroup>(meeting);
  group->run([&](int r) {
    group->at(r).backend = wrap(r, make_cpu_backend({.num_threads = setup.threads,
                                                     .isa = setup.isa,
                                                     .activations = setup.activations,
                                                     .rank = r,
                                                     .exchange = exchange}));
    group->at(r).decoder =
        std::make_unique<Decoder>(*group->at(r).backend, Shard(config, r, num_ranks),
                                  *open_weights(dir), LoadOptions{.dtype = setup.dtype});
  });
  return group;
}

// Logits of two sequences: prompts in chunks, then tokens one by one beside each other.
std::vector<std::vector<float>> logits_of(RankGroup& group, uint64_t seed,
                                          bool with_delays = false) {
  std::vector<std::vector<float>> all;
  group.run([&](int r) {
    Rank& rank = group.at(r);
    ModelRunner runner(*rank.backend, *rank.decoder, kLimits, seed, 2);
    std::mt19937_64 random(seed), delays(seed + static_cast<uint64_t>(r));
    const auto tokens = [&](int n) {
      std::vector<int32_t> ids;
      for (int i = 0; i < n; ++i)
        ids.push_back(static_cast<int32_t>(
            random() % static_cast<uint64_t>(rank.decoder->config().vocab_size)));
      return ids;
    };
    const auto forward = [&](const std::vector<ModelRunner::Part>& parts) {
      if (with_delays) std::this_thread::sleep_for(std::chrono::microseconds(delays() % 300));
      for (const std::vector<float>& logits : runner.forward(parts))
        if (r == 0) all.push_back(logits);
    };
    forward({{0, tokens(37), 1}});
    forward({{0, tokens(5), 2}, {1, tokens(60), 2}});
    for (int i = 0; i < 3; ++i) forward({{0, tokens(1), 1}, {1, tokens(1), 1}});
  });
  return all;
}

bool splits(const std::filesystem::path& dir, int num_ranks) {
  try {
    Shard(load_decoder_config(dir), 0, num_ranks);
  } catch (const StartError&) {
    return false;
  }
  return true;
}

void expect_equal_bits(const std::filesystem::path& dir, const Setup& setup) {
  const uint64_t seed = std::random_device{}();
  const std::vector<std::vector<float>> alone = logits_of(*load(dir, 1, setup), seed);
  ASSERT_EQ(alone.size(), 9u);
  for (const int n : {2, 4, 8}) {
    if (!splits(dir, n)) continue;
    SCOPED_TRACE(testing::Message() << dir << ", " << n << " ranks, seed " << seed);
    const auto group = load(dir, n, setup);
    ASSERT_EQ(logits_of(*group, seed), alone);
  }
}

std::vector<std::filesystem::path> models() {
  std::vector<std::filesystem::path> dirs;
  for (const auto& entry : std::filesystem::directory_iterator(kData / "tiny"))
    dirs.push_back(entry.path());
  std::ranges::sort(dirs);
  return dirs;
}

TEST(TensorParallel, EveryFamilyHasTheSameLogitsOnEveryNumberOfRanks) {
  int num_shared = 0;
  for (const std::filesystem::path& dir : models()) {
    num_shared += splits(dir, 2);
    expect_equal_bits(dir, {});
    if (HasFatalFailure()) return;
  }
  EXPECT_GE(num_shared, 25);
}

TEST(TensorParallel, SoWithEveryInstructionSetAndWeightOf16Bits) {
  for (const char* isa : {"avx2", "avx512", "amx"})
    for (const DType dtype : {DType::kF16, DType::kBF16})
      for (const char* name : {"llama2", "qwen3", "gemma3", "phi3", "olmo2"}) try {
          expect_equal_bits(kData / "tiny" / name, {.isa = isa, .dtype = dtype, .threads = 2});
          if (HasFatalFailure()) return;
        } catch (const StartError& e) {
          EXPECT_THAT(e.what(), testing::HasSubstr(isa)) << "this machine has it not";
        }
}

TEST(TensorParallel, SoWithQuantisedWeights) {
  for (const CpuActivations activations :
       {CpuActivations::kInt16, CpuActivations::kInt8, CpuActivations::kFloat})
    for (const char* name : {"llama_awq", "qwen2_gptq", "glm4_packed", "mistral_int8"}) {
      expect_equal_bits(kData / "tiny" / name, {.activations = activations});
      if (HasFatalFailure()) return;
    }
}

TEST(TensorParallel, LateRanksChangeNoBit) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const std::filesystem::path dir = kData / "tiny/llama3";
  EXPECT_EQ(logits_of(*load(dir, 4, {}), seed, true), logits_of(*load(dir, 1, {}), seed));
}

// An engine of two ranks, of which one fails in an operation after it was loaded.
std::unique_ptr<Engine> faulty_engine(int faulty, int fail_at, std::atomic<bool>& failed,
                                      OutputSink& sink) {
  std::unique_ptr<RankGroup> group =
      load(kData / "tiny/olmo2", 2, {}, [&](int rank, std::unique_ptr<Backend> inner) {
        auto backend = std::make_unique<FaultyBackend>(std::move(inner), failed);
        if (rank == faulty) backend->arm(fail_at);
        return backend;
      });
  return std::make_unique<Engine>(SchedulerConfig{.max_num_batched_tokens = 128,
                                                  .max_num_seqs = 4,
                                                  .max_num_logit_rows = 4,
                                                  .max_model_len = 128},
                                  BlockPoolConfig{.num_blocks = 16, .block_size = 16},
                                  std::make_unique<DecoderRunner>(std::move(group), kLimits, 4, 1),
                                  sink);
}

// Whichever operation of whichever rank fails: the engine says so, and nobody waits for ever.
TEST(TensorParallel, AFaultOfAnyRankInAnyOperationFailsTheEngine) {
  for (int faulty = 0; faulty < 2; ++faulty)
    for (int fail_at = 0;; ++fail_at) {
      SCOPED_TRACE(testing::Message() << "operation " << fail_at << " of rank " << faulty);
      Recorder sink;
      std::atomic<bool> failed{false};
      EngineThread thread(
          [&](const LoadProgress&) { return faulty_engine(faulty, fail_at, failed, sink); });
      try {
        const std::shared_ptr<Engine> engine = thread.engine();
        Request request;
        request.id = 1;
        request.prompt = {1, 2, 3, 4, 5};
        request.max_tokens = 2;
        engine->submit(share(request));
        ASSERT_TRUE(sink.wait_finished(1));
        EXPECT_EQ(sink.answer(1).finish == FinishReason::kEngineFailed, failed.load());
      } catch (const DeviceError&) {
        EXPECT_TRUE(failed) << "while the runner was made";
      }
      if (!failed) {
        EXPECT_GT(fail_at, 30) << "several steps have so many operations";
        break;
      }
    }
}

}  // namespace
}  // namespace ember
