// SPDX-License-Identifier: Apache-2.0
#include "ember/model/decoder.h"

#include <gtest/gtest.h>

#include <map>

#include "ember/model/safetensors.h"
#include "model/model_runner.h"
#include "model/naive_backend.h"
#include "model/temp_model.h"

namespace ember {
namespace {

constexpr DecoderLimits kLimits{
    .max_tokens = 24, .max_logit_rows = 4, .max_model_len = 64, .num_blocks = 4, .block_size = 16};

TEST(Decoder, AllocatesWhatThePlanSays) {
  for (const char* name : {"llama2", "qwen3", "glm4", "gemma3", "olmo2"}) {
    NaiveBackend backend;
    const DecoderConfig config = load_decoder_config(tiny_model(name));
    Decoder decoder(backend, config, SafetensorsCheckpoint(tiny_model(name)), {});
    const size_t before = backend.allocated_bytes;
    decoder.allocate(kLimits);
    const KvCacheSpec cache = kv_cache_spec(config, kLimits);
    EXPECT_EQ(cache.num_layers, config.num_layers);
    EXPECT_EQ(cache.num_blocks, 4);
    const size_t planned =
        activation_bytes(backend, config, kLimits) + 4 * backend.kv_block_bytes(cache);
    EXPECT_EQ(backend.allocated_bytes - before, planned) << name;
  }
}

TEST(Decoder, WithoutLogitRowsThereAreNoLogits) {
  NaiveBackend backend;
  Decoder decoder(backend, load_decoder_config(tiny_model("llama2")),
                  SafetensorsCheckpoint(tiny_model("llama2")), {});
  ModelRunner runner(backend, decoder, kLimits);
  EXPECT_TRUE(runner.forward({5, 6, 7}, 0).empty());
  EXPECT_EQ(runner.forward({8}, 1).size(), 128u);
}

// As ranks need them: the residual stream gains one sum for each of a layer's two blocks.
TEST(Decoder, TwoMatricesOfEachLayerAreSplitByInputs) {
  for (const char* name : {"llama2", "qwen2", "glm4"}) {
    NaiveBackend backend;
    const DecoderConfig config = load_decoder_config(tiny_model(name));
    const Decoder decoder(backend, config, SafetensorsCheckpoint(tiny_model(name)), {});
    std::map<Split, int> count;
    for (const auto& matrix : backend.matrices) ++count[matrix->split];
    EXPECT_EQ(count[Split::kInputs], 2 * config.num_layers) << name;
    EXPECT_EQ(count[Split::kOutputs], 2 * config.num_layers) << name;
    EXPECT_EQ(count[Split::kVocab], config.tie_word_embeddings ? 1 : 2) << name;
    EXPECT_EQ(count[Split::kNone], 0) << name;
  }
}

// Two sequences in one batch get what each gets alone.
TEST(Decoder, SequencesOfABatchDoNotTouch) {
  NaiveBackend backend;
  Decoder decoder(backend, load_decoder_config(tiny_model("mistral_window")),
                  SafetensorsCheckpoint(tiny_model("mistral_window")), {});
  ModelRunner runner(backend, decoder, kLimits);
  const std::vector<int32_t> first = {9, 8, 7, 6, 5}, second = {30, 31, 32};
  const std::vector<float> alone_first = runner.forward(first, 1);
  runner.clear();
  const std::vector<float> alone_second = runner.forward(second, 1);
  std::vector<int32_t> ids = {9, 8, 7, 6, 5, 30, 31, 32}, positions = {0, 1, 2, 3, 4, 0, 1, 2},
                       slots = {32, 33, 34, 35, 36, 0, 1, 2};
  std::vector<int32_t> starts = {0, 5, 8}, lens = {5, 3}, tables = {2, 0}, rows = {4, 7};
  const auto view = [](std::vector<int32_t>& v) {
    return Tensor(v.data(), DType::kI32, {static_cast<int64_t>(v.size())});
  };
  BatchView batch{
      .num_tokens = 8, .num_seqs = 2, .num_logit_rows = 2, .max_q_len = 5, .max_kv_len = 5};
  batch.token_ids = view(ids), batch.positions = view(positions), batch.slots = view(slots),
  batch.q_starts = view(starts);
  batch.kv_lens = view(lens), batch.logit_rows = view(rows);
  batch.block_tables = Tensor(tables.data(), DType::kI32, {2, 1});
  const Tensor logits = decoder.forward(batch);
  for (size_t i = 0; i < 128; ++i) {
    ASSERT_EQ(logits.as<float>()[i], alone_first[i]);
    ASSERT_EQ(logits.as<float>()[128 + i], alone_second[i]);
  }
}

}  // namespace
}  // namespace ember
