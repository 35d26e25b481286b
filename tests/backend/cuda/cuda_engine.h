// SPDX-License-Identifier: Apache-2.0
// Whole models through the CUDA backend's host code and the kernels' own source, on the emulated
// GPU, against the CPU backend.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "backend/cuda/dummy_model.h"
#include "cuda/error.h"
#include "ember/backend/cpu/cpu_backend.h"
#include "ember/backend/cuda/cuda_backend.h"
#include "ember/engine/decoder_runner.h"
#include "ember/engine/engine_thread.h"
#include "ember/engine/memory_plan.h"
#include "engine/recorder.h"
#include "fake_runtime.h"

namespace ember {

struct Case {
  DType dtype = DType::kF16;
  int sm = 90;
  int max_num_batched_tokens = 128;
  int num_blocks = 12;
  int max_num_seqs = 4;
  int max_logit_rows = 8;
  bool caching = true;
  bool graphs = true;
  int max_own_gemm_tokens = 256;
  int delay = 0;  // microseconds
  size_t kernel_bytes = 0;
};

// Serves dummy models with the CUDA backend on the emulated GPU, or with the CPU's.
class Cuda : public testing::Test {
 protected:
  static constexpr int kMaxModelLen = 256;

  void SetUp() override {
    seed_ = std::random_device{}();
    RecordProperty("seed", std::to_string(seed_));
  }
  void TearDown() override {
    cuda::fail_call(0);
    fake_cuda::hang_after(fake_cuda::kNever);
    fake_cuda::lose_after(fake_cuda::kNever);
    fake_cuda::set_delays(0, 0);
    fake_cuda::set_device({});
  }

  struct Built {
    std::unique_ptr<StepRunner> runner;
    MemoryPlan plan;
  };

  Built build(const DecoderConfig& config, const Case& s, bool on_cuda) const {
    fake_cuda::set_device({.major = s.sm / 10, .minor = s.sm % 10, .kernel_bytes = s.kernel_bytes});
    fake_cuda::set_delays(s.delay, seed_);
    const int block_size = on_cuda ? kCudaBlockSize : 16;
    std::unique_ptr<Backend> backend =
        on_cuda ? make_cuda_backend({.dtype = s.dtype,
                                     .graphs = s.graphs,
                                     .max_own_gemm_tokens = s.max_own_gemm_tokens,
                                     .guard_bytes = 256})
                : make_cpu_backend({.num_threads = 2});
    DecoderLimits limits{.max_tokens = s.max_num_batched_tokens,
                         .max_logit_rows = s.max_logit_rows,
                         .max_model_len = kMaxModelLen,
                         .num_blocks = s.num_blocks * 64 / block_size,
                         .block_size = block_size};
    const size_t kv = static_cast<size_t>(limits.num_blocks) *
                      backend->kv_block_bytes(kv_cache_spec(config, limits));
    Built built;
    built.plan = plan_memory(*backend, config, 1, limits, s.max_num_seqs,
                             {.dtype = s.dtype, .kv_cache_bytes = kv})
                     .front();
    EXPECT_EQ(built.plan.num_blocks, limits.num_blocks);
    const size_t before = fake_cuda::stats().device_bytes;
    backend->reserve(built.plan.total_bytes());
    auto decoder = std::make_unique<Decoder>(*backend, config, DummyCheckpoint(config, 1, s.dtype),
                                             LoadOptions{.dtype = s.dtype});
    built.runner = std::make_unique<DecoderRunner>(
        std::make_unique<RankGroup>(std::move(backend), std::move(decoder)), limits, s.max_num_seqs,
        2);
    if (on_cuda) {
      EXPECT_EQ(fake_cuda::stats().device_bytes - before, built.plan.total_bytes());
    }
    return built;
  }

  static SchedulerConfig scheduler_config(const Case& s) {
    return {.max_num_batched_tokens = s.max_num_batched_tokens,
            .max_num_seqs = s.max_num_seqs,
            .max_num_logit_rows = s.max_logit_rows,
            .max_model_len = kMaxModelLen};
  }
  static BlockPoolConfig pool_config(const Built& built, const Case& s) {
    return {.num_blocks = built.plan.num_blocks,
            .block_size = built.plan.block_size,
            .enable_prefix_caching = s.caching};
  }
  static std::unique_ptr<Engine> engine_of(Built built, const Case& s, OutputSink& sink) {
    return std::make_unique<Engine>(scheduler_config(s), pool_config(built, s),
                                    std::move(built.runner), sink);
  }

  std::vector<Recorder::Answer> answers(const DecoderConfig& config, const Case& s,
                                        const std::vector<Request>& requests, bool on_cuda) const {
    Recorder sink;
    std::vector<Recorder::Answer> result;
    {
      EngineThread thread(
          [&](const LoadProgress&) { return engine_of(build(config, s, on_cuda), s, sink); });
      const std::shared_ptr<Engine> engine = thread.engine();
      const fake_cuda::Stats before = fake_cuda::stats();
      for (const Request& request : requests) engine->submit(share(request));
      EXPECT_TRUE(sink.wait_finished(static_cast<int>(requests.size())));
      const fake_cuda::Stats after = fake_cuda::stats();
      EXPECT_EQ(after.num_allocations, before.num_allocations)
          << "something was allocated after start-up";
      EXPECT_EQ(after.num_kernels, before.num_kernels) << "a kernel was used for the first time";
    }
    for (const Request& request : requests) result.push_back(sink.answer(request.id));
    return result;
  }

  // Greedy answers are equal up to where the CPU's two best tokens are too close for 16-bit
  // arithmetic to tell.
  void expect_same(const DecoderConfig& config, const Case& s,
                   const std::vector<Request>& requests) const {
    SCOPED_TRACE(testing::Message() << "seed " << seed_);
    const std::vector<Recorder::Answer> cpu = answers(config, s, requests, false),
                                        gpu = answers(config, s, requests, true);
    const double tolerance = s.dtype == DType::kF16 ? 0.05 : 0.3;
    size_t compared = 0, all = 0;
    for (size_t r = 0; r < requests.size(); ++r) {
      ASSERT_EQ(gpu[r].finish, FinishReason::kLength) << r;
      all += cpu[r].tokens.size();
      for (size_t i = 0; i < cpu[r].tokens.size(); ++i, ++compared) {
        ASSERT_EQ(cpu[r].events[i].top_logprobs.size(), 2u);
        const auto& top = cpu[r].events[i].top_logprobs;
        const float margin = top[0].logprob - top[1].logprob;
        if (cpu[r].tokens[i] != gpu[r].tokens[i]) {
          EXPECT_LT(margin, tolerance) << "request " << r << ", token " << i;
          break;
        }
        EXPECT_NEAR(cpu[r].events[i].logprob, gpu[r].events[i].logprob, tolerance)
            << "request " << r << ", token " << i;
      }
    }
    EXPECT_GT(compared, all / 2) << "most answers must be the same to their end";
  }

  unsigned seed_ = 0;
};

inline Request request(RequestId id, int prompt_tokens, int max_tokens, int first = 0) {
  Request r;
  r.id = id;
  for (int i = 0; i < prompt_tokens; ++i) r.prompt.push_back((first + i * 31) % 300);
  r.max_tokens = max_tokens;
  r.sampling.temperature = 0;
  r.num_logprobs = 2;
  return r;
}

inline void expect_equal_bits(const Recorder::Answer& a, const Recorder::Answer& b) {
  ASSERT_EQ(a.tokens, b.tokens);
  for (size_t i = 0; i < a.events.size(); ++i)
    EXPECT_EQ(a.events[i].logprob, b.events[i].logprob) << "token " << i;
}

}  // namespace ember
