// SPDX-License-Identifier: Apache-2.0
// From logits on the device to tokens on the host, without waiting for the device in between.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "cuda/memory.h"
#include "ember/backend/backend.h"
#include "kernels/sample.h"

namespace ember::cuda {

struct SamplerLimits {
  int max_rows = 0;
  int vocab_size = 0;
  int max_model_len = 0;
};

// Two steps may be launched before the first is waited for.
class Sampler {
 public:
  static size_t device_bytes(const Arena& arena, const kernels::StreamRef& queue,
                             const SamplerLimits& limits);
  // Takes device_bytes() of the arena. The stream is the queue's.
  Sampler(Arena& arena, const kernels::StreamRef& queue, const Stream& stream,
          const SamplerLimits& limits);

  // int32 [max_rows] on the device: the tokens of the last launch, for operations after it.
  const int32_t* tokens() const { return previous_; }
  // As Backend::sample.
  void launch(const Tensor& logits, std::span<const SamplingRow> rows, std::span<SampledToken> out);
  bool launched() const { return num_launched_ > num_waited_for_; }
  // Blocks until the oldest launch not yet waited for is done, and fills its `out`. Polls memory
  // that the device writes.
  void wait();

 private:
  struct Sizes {
    explicit Sizes(const SamplerLimits& limits);
    size_t rows, lists, mask,
        masks;  // bytes: of all rows, of their lists, of one mask, of all masks
    size_t block() const { return rows + lists + masks; }
  };
  struct Slot {
    PinnedBuffer block;    // [rows | lists | masks], copied to the device's block_
    PinnedBuffer results;  // SampledRow [max_rows], written by the device
    std::span<SampledToken> out;
    std::vector<int> num_logprobs;  // of each row
  };

  void launch_group(Slot& slot, const Tensor& logits, int first, int count, uint32_t* sequence);
  bool pack(Slot& slot, const SamplingRow& row, int index);
  bool pack_history(Slot& slot, const SamplingRow& row, kernels::SampleRow& packed);
  bool pack_mask(Slot& slot, const SamplingRow& row, kernels::SampleRow& packed);
  // Room for so many bytes of lists; null: there is none.
  std::byte* list(Slot& slot, size_t bytes);

  const kernels::StreamRef queue_;
  const Stream& stream_;
  const SamplerLimits limits_;
  const Sizes sizes_;
  std::byte* block_ = nullptr;  // on the device, as Slot::block
  int32_t* previous_ = nullptr;
  int32_t* chosen_ = nullptr;
  void* workspace_ = nullptr;
  PinnedBuffer sequence_;  // uint32_t: how many launches are done
  std::array<Slot, 2> slots_;
  size_t lists_used_ = 0;
  int masks_used_ = 0;
  std::vector<int32_t> counts_;  // by token, zero between calls
  uint32_t num_launched_ = 0, num_waited_for_ = 0;
};

}  // namespace ember::cuda
