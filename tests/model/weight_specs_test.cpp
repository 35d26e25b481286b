// SPDX-License-Identifier: Apache-2.0
#include "weight_specs.h"

#include <gtest/gtest.h>

#include <map>

#include "ember/model/quantized_checkpoint.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;

TEST(WeightSpecs, AreTheTensorsOfEveryTinyModel) {
  for (const auto& entry : std::filesystem::directory_iterator(tiny_model(""))) {
    const std::unique_ptr<Checkpoint> checkpoint = open_weights(entry.path());
    Shapes wanted, stored;
    for (const TensorSpec& spec : required_tensors(load_decoder_config(entry.path())))
      EXPECT_TRUE(wanted.emplace(spec.name, spec.shape).second) << spec.name;
    for (const std::string& name : checkpoint->names())
      stored[name] = checkpoint->stored(name).shape;
    EXPECT_EQ(wanted, stored) << entry.path();
  }
}

class Recorder final : public WeightVisitor {
 public:
  void matrix(const MatrixSpec& spec, Linear& slot) override {
    slot.out_features = ++count;
    if (spec.gated) gated.push_back(spec.weights[0].name);
  }
  void vector(const TensorSpec&, Tensor&) override {}
  void tied(const TensorSpec& spec, const TensorSpec& other) override {
    tied_pair = spec.name + " " + other.name;
  }

  int64_t count = 0;
  std::vector<std::string> gated;
  std::string tied_pair;
};

TEST(WeightSpecs, EveryMatrixHasASlotAndOnlyGatesAreGated) {
  DecoderWeights weights;
  Recorder recorder;
  visit_weights(load_decoder_config(tiny_model("llama2")), weights, recorder);
  ASSERT_EQ(weights.layers.size(), 2u);
  EXPECT_EQ(weights.embedding.out_features, 1);
  EXPECT_EQ(weights.layers[0].qkv.out_features, 2);
  EXPECT_EQ(weights.layers[1].down.out_features, 9);
  EXPECT_EQ(weights.lm_head.out_features, 10);
  EXPECT_EQ(recorder.gated, (std::vector<std::string>{"model.layers.0.mlp.gate_proj.weight",
                                                      "model.layers.1.mlp.gate_proj.weight"}));
  EXPECT_EQ(recorder.tied_pair, "");
}

TEST(WeightSpecs, AFusedTensorIsOnePartAndATiedOneIsShownApart) {
  DecoderWeights weights;
  Recorder recorder;
  DecoderConfig config = load_decoder_config(tiny_model("glm4"));
  config.tie_word_embeddings = true;
  visit_weights(config, weights, recorder);
  EXPECT_EQ(recorder.gated.at(0), "model.layers.0.mlp.gate_up_proj.weight");
  EXPECT_EQ(recorder.tied_pair, "lm_head.weight model.embed_tokens.weight");
  EXPECT_EQ(weights.lm_head.out_features, weights.embedding.out_features);
}

}  // namespace
}  // namespace ember
