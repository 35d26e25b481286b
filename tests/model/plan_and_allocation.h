// SPDX-License-Identifier: Apache-2.0
// What a decoder is planned to take against what loading it allocates.
#pragma once

#include "ember/model/decoder.h"
#include "ember/model/dequantize.h"
#include "ember/model/quantized_checkpoint.h"
#include "model/naive_backend.h"
#include "model/temp_model.h"

namespace ember {

// Counts what matrices take, without computing with them; may take blocks.
class CountingBackend final : public NaiveBackend {
 public:
  explicit CountingBackend(bool takes_blocks) : takes_blocks_(takes_blocks) {}
  bool takes(WeightFormat format) const override {
    return dtype_of(format) || (takes_blocks_ && can_dequantize(format));
  }
  Linear make_linear(std::span<const WeightView> weights, std::span<const Tensor> biases,
                     const Partition& /*partition*/, bool /*gated*/) override {
    const std::vector<WeightShape> shapes(weights.begin(), weights.end());
    bytes += linear_bytes(shapes, !biases.empty());
    return {};
  }

  size_t bytes = 0;

 private:
  const bool takes_blocks_;
};

inline void expect_plan_is_allocation(const std::filesystem::path& dir, std::optional<DType> dtype,
                                      bool takes_blocks) {
  CountingBackend backend(takes_blocks);
  const DecoderConfig config = load_decoder_config(dir);
  const size_t planned = weight_bytes(backend, config, dtype);
  const Decoder decoder(backend, config, *open_weights(dir), {.dtype = dtype});
  EXPECT_EQ(backend.bytes + backend.allocated_bytes, planned) << dir;
}

}  // namespace ember
