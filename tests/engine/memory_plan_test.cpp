// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/memory_plan.h"

#include <gtest/gtest.h>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

const std::filesystem::path kDemo = std::filesystem::path(EMBER_SOURCE_DIR) / "configs/demo-model";
constexpr DecoderLimits kLimits{
    .max_tokens = 256, .max_logit_rows = 8, .max_model_len = 1024, .block_size = 16};

MemoryPlan plan(const MemoryBudget& budget, DecoderLimits limits = kLimits) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
  return plan_memory(*backend, load_decoder_config(kDemo), 1, limits, 8, budget).front();
}

std::string refusal(const MemoryBudget& budget, DecoderLimits limits = kLimits) {
  try {
    plan(budget, limits);
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), std::string(e.what()).starts_with("--kv-cache-memory-bytes")
                            ? ExitCode::kConfig
                            : ExitCode::kNoDevice);
    return e.what();
  }
  return "fits";
}

TEST(MemoryPlan, TakesWhatAllSequencesCanUseAndNoMore) {
  const MemoryPlan p = plan({.utilization = 0.5});
  EXPECT_EQ(p.num_blocks, 8 * 1024 / 16);
  EXPECT_EQ(p.kv_block_bytes,
            2u * 8 * 16 * 2 * 64 * 4);  // K and V, layers, tokens, kv heads, head size, float
  EXPECT_NEAR(static_cast<double>(p.weight_bytes), 25.2e6, 0.5e6);
  EXPECT_LE(p.total_bytes(), p.budget_bytes);
  EXPECT_NE(memory_table(std::span(&p, 1)).find("512 blocks of 16 tokens"), std::string::npos)
      << memory_table(std::span(&p, 1));
}

TEST(MemoryPlan, RanksHaveAsManyBlocksAndTheirPartOfTheRest) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.num_threads = 1});
  const DecoderConfig config = load_decoder_config(kDemo);
  const MemoryPlan whole = plan({});
  const std::vector<MemoryPlan> ranks = plan_memory(*backend, config, 2, kLimits, 8, {});
  ASSERT_EQ(ranks.size(), 2u);
  EXPECT_EQ(ranks[0].num_blocks, ranks[1].num_blocks);
  for (const MemoryPlan& rank : ranks) {
    EXPECT_EQ(2 * rank.kv_block_bytes, whole.kv_block_bytes) << "one of two key-value heads";
    EXPECT_NEAR(static_cast<double>(rank.weight_bytes), static_cast<double>(whole.weight_bytes) / 2,
                1e5);
    EXPECT_NEAR(static_cast<double>(rank.free_bytes), static_cast<double>(whole.free_bytes) / 2,
                static_cast<double>(whole.free_bytes) / 10)
        << "they share the host";
  }
  EXPECT_GT(ranks[0].activation_bytes, ranks[1].activation_bytes) << "rank 0 has the logits";
  const std::string table = memory_table(ranks);
  EXPECT_NE(table.find("rank 0        rank 1"), std::string::npos) << table;
}

TEST(MemoryPlan, AnExactSizeIsKept) {
  EXPECT_EQ(plan({.kv_cache_bytes = 10u << 20}).num_blocks, (10 << 20) / (2 * 8 * 16 * 2 * 64 * 4));
}

TEST(MemoryPlan, RefusesWhatCannotServeOneSequence) {
  EXPECT_NE(refusal({.kv_cache_bytes = 1u << 20})
                .find("--kv-cache-memory-bytes 1048576: one sequence of 1024 tokens needs"),
            std::string::npos);
  EXPECT_NE(refusal({.utilization = 1e-6}).find("lower --max-model-len"), std::string::npos);
  EXPECT_NE(refusal({.kv_cache_bytes = size_t{1} << 50}).find("are free on the device"),
            std::string::npos);
}

TEST(MemoryPlan, ShortensTheContextWhereItMay) {
  const MemoryPlan p = plan({.may_shorten_context = true, .kv_cache_bytes = 4u << 20});
  EXPECT_EQ(p.max_model_len, p.num_blocks * 16);
  EXPECT_LT(p.max_model_len, 1024);
}

}  // namespace
}  // namespace ember
