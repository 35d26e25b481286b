// SPDX-License-Identifier: Apache-2.0
// The demo model against its reference: greedy continuations in float32, written down by its
// training code.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ember/backend/cpu/cpu_backend.h"
#include "ember/model/safetensors.h"
#include "model/model_runner.h"

namespace ember {
namespace {

const std::filesystem::path kSource = EMBER_SOURCE_DIR;

TEST(DemoModel, EveryPromptContinuesAsTheReference) {
  const std::filesystem::path dir = kSource / "configs/demo-model";
  const nlohmann::json reference =
      nlohmann::json::parse(std::ifstream(kSource / "tests/data/demo/reference.json"));
  const std::unique_ptr<Backend> backend = make_cpu_backend({});
  const DecoderConfig config = load_decoder_config(dir);
  Decoder decoder(*backend, config, SafetensorsCheckpoint(dir), {});
  ModelRunner runner(*backend, decoder,
                     {.max_tokens = 2048,
                      .max_logit_rows = 1,
                      .max_model_len = 2048,
                      .num_blocks = 128,
                      .block_size = 16},
                     7);
  const auto vocab = static_cast<size_t>(config.vocab_size);
  size_t compared = 0;
  double worst = 0;
  for (const auto& prompt : reference["prompts"]) {
    SCOPED_TRACE(prompt["rendered"].dump().substr(0, 80));
    runner.clear();
    std::vector<int32_t> input = prompt["input_ids"];
    const std::vector<int32_t> expected = prompt["greedy_ids"];
    const std::vector<double> margins = prompt["margins"];  // of each choice over the second best
    ASSERT_EQ(margins.size(), expected.size());
    for (size_t step = 0; step < expected.size(); ++step) {
      const std::vector<float> logits = runner.forward(input, 1);
      const bool has_logits =
          step < prompt["top"].size();  // only the first steps' are written down
      const std::vector<int32_t> ids = has_logits
                                           ? prompt["top"][step]["ids"].get<std::vector<int32_t>>()
                                           : std::vector<int32_t>{};
      const std::vector<double> top = has_logits
                                          ? prompt["top"][step]["logits"].get<std::vector<double>>()
                                          : std::vector<double>{};
      for (size_t i = 0; i < ids.size(); ++i) {
        const double error = std::abs(logits[static_cast<size_t>(ids[i])] - top[i]) /
                             std::max(1.0, std::abs(top[i]));
        worst = std::max(worst, error);
        ASSERT_LT(error, 2e-2) << "step " << step << " id " << ids[i] << " of " << top[i];
      }
      if (margins[step] > 0.02) {
        ASSERT_EQ(argmax(logits.data(), vocab), expected[step]) << "step " << step;
      }
      input = {expected[step]};
      ++compared;
    }
  }
  EXPECT_EQ(compared, 1293u) << "the reference has as many choices";
  std::printf("%zu positions compared, largest relative difference of a logit %.2g\n", compared,
              worst);
}

}  // namespace
}  // namespace ember
