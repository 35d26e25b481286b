// SPDX-License-Identifier: Apache-2.0
#include "ember/model/shard.h"

#include <gmock/gmock.h>

#include "ember/base/start_error.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using testing::HasSubstr;

// Heads and sizes of a real model, and nothing else that matters here.
DecoderConfig config_of(int heads, int kv_heads, int head_dim, int columns) {
  DecoderConfig config;
  config.num_layers = 2;
  config.hidden_size = heads * head_dim;
  config.num_heads = heads;
  config.num_kv_heads = kv_heads;
  config.head_dim = head_dim;
  config.intermediate_size = columns;
  config.vocab_size = 1001;
  return config;
}

TEST(Shard, TheRanksHaveEverythingOnce) {
  for (const DecoderConfig& config :
       {config_of(32, 8, 128, 14336), config_of(28, 4, 128, 18944), config_of(8, 8, 64, 100),
        config_of(16, 2, 128, 8192), config_of(4, 1, 16, 72)})
    for (const int n : {1, 2, 4}) {
      SCOPED_TRACE(testing::Message() << config.num_heads << " heads, " << n << " ranks");
      Range heads, columns, tokens;
      std::vector<int64_t> output_ends, down_ends;
      for (int r = 0; r < n; ++r) {
        const Shard shard(config, r, n);
        EXPECT_EQ(shard.heads.begin, heads.end);
        EXPECT_EQ(shard.mlp_columns.begin, columns.end);
        EXPECT_EQ(shard.vocabulary.begin, tokens.end);
        const auto append = [](std::vector<int64_t>& all, const Partition& p, int64_t begin) {
          for (const int64_t end : p.leaf_ends) all.push_back(begin + end);
        };
        append(output_ends, shard.output, shard.heads.begin * config.head_dim);
        append(down_ends, shard.down, shard.mlp_columns.begin);
        heads = shard.heads;
        columns = shard.mlp_columns;
        tokens = shard.vocabulary;
        EXPECT_EQ(shard.part.num_heads, heads.size());
        EXPECT_EQ(shard.part.intermediate_size, columns.size());
        EXPECT_EQ(shard.part.vocab_size, r == 0 ? config.vocab_size : 0);
        // Every query head finds its key-value head on its rank.
        const int64_t group = config.num_heads / config.num_kv_heads;
        EXPECT_LE(shard.kv_heads.begin * group, heads.begin);
        EXPECT_GE(shard.kv_heads.end * group, heads.end);
      }
      EXPECT_EQ(heads.end, config.num_heads);
      EXPECT_EQ(columns.end, config.intermediate_size);
      EXPECT_EQ(tokens.end, config.vocab_size);
      const Shard whole(config);
      EXPECT_EQ(output_ends, whole.output.leaf_ends) << "leaves do not depend on the ranks";
      EXPECT_EQ(down_ends, whole.down.leaf_ends);
    }
}

TEST(Shard, LeavesAreAsManyAsHeadsAndColumnsAllow) {
  const auto leaves = [](const DecoderConfig& config) {
    return Shard(config).down.leaf_ends.size();
  };
  EXPECT_EQ(leaves(config_of(32, 8, 128, 14336)), 8u);
  EXPECT_EQ(leaves(config_of(28, 4, 128, 18944)), 4u);
  EXPECT_EQ(leaves(config_of(9, 3, 64, 1536)), 0u) << "one leaf";
  EXPECT_EQ(Shard(config_of(8, 8, 64, 512)).down.leaf_unit, 32);
  EXPECT_EQ(Shard(config_of(8, 8, 64, 100)).down.leaf_unit, 8) << "fewer than 32 in each";
}

TEST(Shard, LeavesKeepBlocksOfWeightsWhole) {
  DecoderConfig config = config_of(16, 8, 64, 2048);
  config.other_formats["model.layers.1.self_attn.o_proj.weight"] = WeightFormat::kQ4_K;
  const Shard shard(config);
  EXPECT_EQ(shard.output.leaf_ends, (std::vector<int64_t>{256, 512, 768, 1024}))
      << "blocks of 256 in heads of 64";
  EXPECT_EQ(shard.down.leaf_ends, (std::vector<int64_t>{512, 1024, 1536, 2048}));
  config.other_formats["model.layers.0.mlp.down_proj.weight"] = WeightFormat::kQ4_K;
  EXPECT_EQ(Shard(config).down.leaf_unit, 256);
}

TEST(Shard, SaysWhatIsPossible) {
  const auto refusal = [](const DecoderConfig& config, int n) {
    try {
      Shard(config, 0, n);
    } catch (const StartError& e) {
      EXPECT_EQ(e.code(), ExitCode::kConfig);
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal(config_of(28, 4, 128, 18944), 8),
              HasSubstr("28 query and 4 key-value heads and 18944 MLP columns, can be split over "
                        "1, 2, 4 ranks"));
  EXPECT_THAT(refusal(config_of(9, 3, 64, 1536), 2), HasSubstr("over 1 ranks"));
  EXPECT_THAT(refusal(config_of(12, 6, 64, 1536), 4), HasSubstr("over 1, 2 ranks"));
  EXPECT_EQ(refusal(config_of(16, 2, 64, 1536), 8), "") << "four ranks have the same head";
}

}  // namespace
}  // namespace ember
