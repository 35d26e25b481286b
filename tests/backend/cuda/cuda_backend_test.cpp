// SPDX-License-Identifier: Apache-2.0
#include "ember/backend/cuda/cuda_backend.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "backend/cuda/cuda_engine.h"
#include "base/scripted_constraint.h"
#include "ember/base/device_error.h"
#include "machine.h"

namespace ember {
namespace {

std::vector<Request> some_requests() {
  return {request(1, 5, 6, 3), request(2, 70, 5, 9), request(3, 1, 7, 50), request(4, 66, 4, 9),
          request(5, 130, 3, 1)};
}

class CudaFamilies : public Cuda,
                     public testing::WithParamInterface<std::tuple<const char*, DType, int>> {};

TEST_P(CudaFamilies, AnswersAreTheCpus) {
  const auto [family, dtype, sm] = GetParam();
  // With one type each, on the device that overlaps grids, nothing may rest on luck.
  emu::configure({.seed = seed_, .ordered = sm == 90 && dtype == DType::kF16});
  expect_same(dummy_config(family), {.dtype = dtype, .sm = sm, .delay = 200}, some_requests());
}

INSTANTIATE_TEST_SUITE_P(
    , CudaFamilies,
    testing::Values(
        std::tuple("llama3", DType::kF16, 90), std::tuple("llama_biases", DType::kBF16, 90),
        std::tuple("qwen2", DType::kBF16, 80), std::tuple("qwen3", DType::kF16, 90),
        std::tuple("glm4", DType::kF16, 90), std::tuple("mistral_window", DType::kF16, 80),
        std::tuple("llama_head_dim_tied", DType::kF16, 86), std::tuple("gemma2", DType::kF16, 90),
        std::tuple("gemma2", DType::kBF16, 80), std::tuple("gemma3", DType::kBF16, 90),
        std::tuple("phi3_long", DType::kF16, 80), std::tuple("olmo2", DType::kF16, 90),
        std::tuple("granite", DType::kF16, 90), std::tuple("smollm3", DType::kF16, 80)),
    [](const auto& i) {
      return std::string(std::get<0>(i.param)) + "_" + name_of(std::get<1>(i.param)) + "_sm" +
             std::to_string(std::get<2>(i.param));
    });

TEST_F(Cuda, ChunksOfAPromptAndPreemption) {
  expect_same(dummy_config("llama2"), {.max_num_batched_tokens = 24, .num_blocks = 5, .delay = 200},
              some_requests());
}

TEST_F(Cuda, WithoutGraphsAndWithoutPrefixes) {
  expect_same(dummy_config("llama2"), {.caching = false, .graphs = false}, some_requests());
}

TEST_F(Cuda, LongStepsTakeCublas) {
  expect_same(dummy_config("llama_biases"), {.max_own_gemm_tokens = 16}, some_requests());
  expect_same(dummy_config("gemma2"), {.max_own_gemm_tokens = 16}, some_requests());
  for (const bool biases : {false, true})  // which cuBLAS would not scale
    expect_same(
        dummy_config("granite",
                     [&](nlohmann::json& c) { c["attention_bias"] = c["mlp_bias"] = biases; }),
        {.max_own_gemm_tokens = 16}, some_requests());
}

TEST_F(Cuda, WidthsThatAreNoMultipleOfEight) {
  expect_same(dummy_config("llama2", [](nlohmann::json& c) { c["hidden_size"] = 100; }), {},
              some_requests());
}

TEST_F(Cuda, HeadsWithoutAKernelAreRefusedBeforeLoading) {
  for (const int head_dim : {32, 48, 80, 160}) {
    const DecoderConfig config =
        dummy_config("llama2", [&](nlohmann::json& c) { c["head_dim"] = head_dim; });
    try {
      build(config, {}, true);
      FAIL() << head_dim;
    } catch (const StartError& e) {
      EXPECT_EQ(e.code(), ExitCode::kNoDevice);
      EXPECT_NE(std::string(e.what()).find(
                    fmt::format("for head_dim {}; 64, 96, 128 and 256 exist", head_dim)),
                std::string::npos)
          << e.what();
    }
  }
}

TEST_F(Cuda, DecodeDoesNotDependOnCompany) {
  const DecoderConfig config = dummy_config("llama2");
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 4; ++id) {
    requests.push_back(request(id, 3 + static_cast<int>(id) * 20, 6, static_cast<int>(id)));
    if (id % 2 == 0)
      requests.back().constraint =
          scripted(std::vector(6, ScriptedConstraint::Ids{3, 40, 41, 77, 150, 151, 220, 299}));
    requests.back().sampling = {.temperature = 0.9f,
                                .top_k = 40,
                                .top_p = 0.95f,
                                .repetition_penalty = 1.2f,
                                .frequency_penalty = 0.3f,
                                .seed = id};
  }
  const std::vector<Recorder::Answer> together =
      answers(config, {.caching = false}, requests, true);
  for (size_t r = 0; r < requests.size(); ++r)
    expect_equal_bits(
        answers(config, {.max_num_seqs = 1, .caching = false}, {requests[r]}, true).front(),
        together[r]);
}

// Also when its last chunk is one token, or one token is left behind what the prefix cache holds.
TEST_F(Cuda, AnswersDoNotDependOnHowAPromptWasCut) {
  for (const int sm : {90, 80}) {
    const DecoderConfig config = dummy_config("qwen3");
    const std::vector<Request> requests = {request(1, 65, 4, 9), request(2, 33, 4, 3),
                                           request(3, 129, 3, 9), request(4, 1, 4, 7)};
    const std::vector<Recorder::Answer> uncut = answers(
        config, {.sm = sm, .max_num_batched_tokens = 256, .caching = false}, requests, true);
    for (const int tokens : {16, 32, 64}) {
      SCOPED_TRACE(testing::Message() << "sm_" << sm << ", steps of " << tokens << " tokens");
      const std::vector<Recorder::Answer> cut = answers(
          config, {.sm = sm, .max_num_batched_tokens = tokens, .max_num_seqs = 1}, requests, true);
      for (size_t r = 0; r < requests.size(); ++r) expect_equal_bits(cut[r], uncut[r]);
    }
  }
}

TEST_F(Cuda, RowsDependOnThemselvesAloneAsLongAsOurOwnKernelsMultiply) {
  EXPECT_EQ(make_cuda_backend({})->row_invariance().max_rows, 256);
  EXPECT_EQ(make_cuda_backend({.max_own_gemm_tokens = 64})->row_invariance().max_rows, 64);
  EXPECT_TRUE(make_cuda_backend({.cublas = false})->row_invariance().exact());
}

TEST_F(Cuda, ADeviceThatIsNotThereIsNamed) {
  try {
    make_cuda_backend({.device = 3});
    FAIL();
  } catch (const StartError& e) {
    EXPECT_STREQ(e.what(), "--device cuda: there is no GPU 3, there are 1");
  }
}

TEST_F(Cuda, StepsOfDecodesAreReplayed) {
  const uint64_t before = fake_cuda::stats().num_graph_launches;
  answers(dummy_config("llama2"), {}, {request(1, 5, 20)}, true);
  EXPECT_GE(fake_cuda::stats().num_graph_launches - before, 19u)
      << "one for each token after the first, and those recorded at the start";
}

// Every kernel that a request may need has been launched when it comes: answers() checks that.
// Prompts and decodes of every size, every way to sample, cuBLASLt's buckets of tokens.
TEST_F(Cuda, NoKernelIsUsedForTheFirstTimeByARequest) {
  const DecoderConfig config =
      dummy_config("llama2", [](nlohmann::json& c) { c["num_hidden_layers"] = 1; });
  std::vector<Request> requests;
  for (RequestId id = 1; id <= 6; ++id) {
    const int n = static_cast<int>(id);
    Request& r = requests.emplace_back(request(id, n * n * 5, 2 + n, n));
    if (id % 2 == 0) continue;
    r.sampling = {.temperature = 0.9f,
                  .top_k = 40,
                  .top_p = 0.95f,
                  .min_p = 0.01f,
                  .repetition_penalty = 1.2f,
                  .presence_penalty = 0.1f,
                  .frequency_penalty = 0.3f,
                  .seed = id,
                  .logit_bias = {{3, 1.0f}},
                  .allowed_token_ids = {1, 2, 3, 4, 5}};
    r.prompt_logprobs = true;
  }
  for (const Case& setup : {Case{.max_num_batched_tokens = 192, .caching = false},
                            Case{.sm = 80, .max_num_batched_tokens = 192, .graphs = false},
                            Case{.max_num_batched_tokens = 192, .max_own_gemm_tokens = 16}}) {
    SCOPED_TRACE(testing::Message() << "sm_" << setup.sm << ", graphs " << setup.graphs
                                    << ", own products up to " << setup.max_own_gemm_tokens);
    answers(config, setup, requests, true);
  }
}

TEST_F(Cuda, TooLittleMemoryBesideKernelsIsFoundBeforeServing) {
  const DecoderConfig config =
      dummy_config("llama2", [](nlohmann::json& c) { c["num_hidden_layers"] = 1; });
  const Case small{.max_num_batched_tokens = 16, .num_blocks = 5, .max_num_seqs = 2};
  build(config, small, true);
  Case large = small;
  large.kernel_bytes = (size_t{4} << 30) / fake_cuda::stats().num_kernels;
  try {
    build(config, large, true);
    FAIL();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kNoDevice);
    EXPECT_STREQ(e.what(),
                 "0 MiB of the GPU's memory are free after start-up, 100 must be: lower "
                 "--gpu-memory-utilization or --kv-cache-memory-bytes");
  }
  EXPECT_EQ(fake_cuda::stats().device_bytes, 0u);
}

TEST_F(Cuda, LongStepsOfDecodesAreNotRecorded) {
  const std::unique_ptr<Backend> backend = make_cuda_backend({});
  backend->reserve(size_t{512} << 20);
  backend->prepare({.max_tokens = 2048,
                    .max_seqs = 1024,
                    .max_logit_rows = 1024,
                    .max_model_len = 64,
                    .vocab_size = 64,
                    .written_bytes = 64});
  ASSERT_FALSE(backend->repeatable_shapes().empty());
  EXPECT_EQ(backend->repeatable_shapes().back().num_seqs, 512);
  EXPECT_EQ(backend->first_uses().back(), 2048);
}

// Those calls may wait for what the device copies: a step makes none of them.
TEST_F(Cuda, KernelsAreToldWhatTheyMayUseOnce) {
  const DecoderConfig config = dummy_config("llama2");
  Recorder sink;
  EngineThread thread(
      [&](const LoadProgress&) { return engine_of(build(config, {}, true), {}, sink); });
  const std::shared_ptr<Engine> engine = thread.engine();
  engine->submit(share(request(1, 20, 5)));
  ASSERT_TRUE(sink.wait_finished(1));
  const fake_cuda::Stats before = fake_cuda::stats();
  engine->submit(share(request(2, 20, 5, 3)));
  ASSERT_TRUE(sink.wait_finished(2));
  const fake_cuda::Stats after = fake_cuda::stats();
  EXPECT_GT(after.num_launches, before.num_launches);
  EXPECT_EQ(after.num_attributes, before.num_attributes);
  EXPECT_EQ(after.num_waits, before.num_waits) << "the host polls memory";
}

// One layer, small steps, and work that lags behind the calls: what a failing call leaves behind is
// still in use when it is destroyed.
class CudaFailing : public Cuda {
 protected:
  // Loads and serves one request. Once it is loaded the failing call is chosen (fail_call). How the
  // request ended.
  FinishReason serve(uint64_t failing_call) const {
    Recorder sink;
    cuda::fail_call(0);
    EngineThread thread([&](const LoadProgress&) {
      Built built = build(config_, setup_, true);
      cuda::fail_call(failing_call);
      return engine_of(std::move(built), setup_, sink);
    });
    const std::shared_ptr<Engine> engine = thread.engine();
    engine->submit(share(request(1, 20, 3)));
    EXPECT_TRUE(sink.wait_finished(1));
    thread.stop();
    EXPECT_EQ(sink.answer(1).num_finals, 1);
    return sink.answer(1).finish;
  }

  const DecoderConfig config_ =
      dummy_config("llama2", [](nlohmann::json& c) { c["num_hidden_layers"] = 1; });
  const Case setup_{.max_num_batched_tokens = 16, .num_blocks = 5, .max_num_seqs = 2, .delay = 50};
};

// A kernel that never ends, in a step and while loading. The device goes on at the end, so that
// nothing of the test is left behind.
TEST_F(CudaFailing, ADeviceThatHangsIsNoticed) {
  Recorder sink;
  std::atomic<uint64_t> loading{0};
  const auto start = [&] {
    return std::make_unique<EngineThread>(
        [&](const LoadProgress&) {
          fake_cuda::hang_after(loading);
          return engine_of(build(config_, setup_, true), setup_, sink);
        },
        Patience{.loading = std::chrono::milliseconds(200),
                 .serving = std::chrono::milliseconds(200)});
  };
  const auto check = [](EngineThread& thread) {
    while (!thread.hangs()) std::this_thread::yield();
    EXPECT_FALSE(thread.stop());
    EXPECT_NE(last_cuda_call(), "");
    fake_cuda::hang_after(fake_cuda::kNever);
    while (!thread.stop()) std::this_thread::yield();
  };
  for (const uint64_t work : {0, 3, 12, 60}) {
    SCOPED_TRACE(testing::Message() << "hangs after " << work << " pieces of work");
    loading = work;
    check(*start());
  }
  loading = fake_cuda::kNever;
  const std::unique_ptr<EngineThread> thread = start();
  const std::shared_ptr<Engine> engine = thread->engine();
  engine->submit(share(request(1, 5, 200)));
  fake_cuda::hang_after(40);
  check(*thread);
  EXPECT_EQ(sink.answer(1).num_finals, 1) << "the device went on";
}

TEST_F(CudaFailing, EveryCallOfLoading) {
  cuda::fail_call(0);
  const uint64_t before = fake_cuda::stats().num_queries;
  build(config_, setup_, true);
  const uint64_t loaded = cuda::num_calls();
  // At the end most calls ask whether a step of the warm-up is done. Their number varies: the last
  // ones may not be reached.
  const uint64_t asks = fake_cuda::stats().num_queries - before;
  ASSERT_GT(loaded, asks + 100);
  constexpr uint64_t kApart = 16;
  for (uint64_t n = 1; n <= loaded; n += n <= loaded - asks ? 1 : asks / kApart + 1) {
    SCOPED_TRACE(testing::Message() << "call " << n << " of " << loaded << ", of which " << asks
                                    << " ask, seed " << seed_);
    cuda::fail_call(n);
    try {
      build(config_, setup_, true);
      EXPECT_LT(cuda::num_calls(), n) << "loaded";
    } catch (const DeviceError& e) {
      EXPECT_NE(std::string(e.what()).find(e.call()), std::string::npos) << e.what();
    } catch (const StartError& e) {  // no memory, or no device, is said in other words
      EXPECT_EQ(e.code(), ExitCode::kNoDevice);
    }
    EXPECT_EQ(fake_cuda::stats().device_bytes, 0u);
  }
}

TEST_F(CudaFailing, CallsOfServing) {
  ASSERT_EQ(serve(0), FinishReason::kLength);
  const uint64_t all = cuda::num_calls();
  ASSERT_GT(all, 20u);
  // Every call up to somewhere in the first step, which copies, launches and samples. Most of the
  // others ask whether a step is done, so their number varies: the last ones may not be reached.
  constexpr uint64_t kEach = 24, kApart = 16;
  for (uint64_t n = 1; n <= all; n += n <= kEach ? 1 : std::max<uint64_t>(1, all / kApart)) {
    SCOPED_TRACE(testing::Message() << "call " << n << " of " << all << ", seed " << seed_);
    EXPECT_TRUE(serve(n) == FinishReason::kEngineFailed || cuda::num_calls() < n);
    EXPECT_EQ(fake_cuda::stats().device_bytes, 0u);
  }
}

}  // namespace
}  // namespace ember
