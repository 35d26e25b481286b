// SPDX-License-Identifier: Apache-2.0
// From logits on the device to tokens on the host, without waiting for the device in between.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "cuda/memory.h"
#include "ember/backend/backend.h"
#include "kernels/sample.h"

namespace ember::cuda {

struct SamplerLimits {
  int max_rows = 0, max_seqs = 0;
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
  // As Backend::mask_memory.
  std::span<uint32_t> mask_memory() const {
    return masks_of(slots_[num_launched_ % slots_.size()]);
  }
  // As Backend::sample.
  void launch(const Tensor& logits, std::span<const SamplingRow> rows, std::span<SampledToken> out);
  bool launched() const { return num_launched_ > num_waited_for_; }
  // Blocks until the oldest launch not yet waited for is done, and fills its `out`. Polls memory
  // that the device writes.
  void wait();

 private:
  struct Sizes {
    explicit Sizes(const SamplerLimits& limits);
    // Bytes: of all rows, of what they were not told before, of their lists, of one mask, of all
    // masks.
    size_t rows, updates, lists, mask, masks;
    size_t block() const { return rows + updates + lists + masks; }
  };
  struct Slot {
    // [masks | rows | updates | lists], as many as a step has
    PinnedBuffer block;
    std::byte* on_device = nullptr;  // its copy
    PinnedBuffer results;            // SampledRow [max_rows], written by the device
    std::span<SampledToken> out;
    std::vector<int> num_logprobs;  // of each row
  };
  // What a row of the device's seen_ holds: the tokens of this sequence, up to a point.
  struct Seen {
    uint64_t sequence = 0;
    size_t num_output = 0;
    uint32_t last_launch = 0;
  };

  void launch_group(Slot& slot, const Tensor& logits, int first, int count, uint32_t* sequence);
  bool pack(Slot& slot, const SamplingRow& row, int index);
  bool pack_ids(Slot& slot, std::span<const int32_t> ids, int32_t& begin, int32_t& count);
  bool pack_seen(Slot& slot, const SamplingRow& row, kernels::SampleRow& packed);
  void pack_mask(Slot& slot, const SamplingRow& row, kernels::SampleRow& packed);
  int index_of_mask(const Slot& slot, const SamplingRow& row) const;
  std::span<uint32_t> masks_of(const Slot& slot) const;
  int take_seen_row(uint64_t sequence);
  // Room for so many bytes of lists; null: there is none.
  std::byte* list(Slot& slot, size_t bytes);

  const kernels::StreamRef queue_;
  const Stream& stream_;
  const SamplerLimits limits_;
  const Sizes sizes_;
  int32_t* previous_ = nullptr;
  int32_t* chosen_ = nullptr;
  uint32_t* seen_ = nullptr;  // on the device: [max_seqs][seen_stride(vocab_size)]
  void* workspace_ = nullptr;
  PinnedBuffer sequence_;  // uint32_t: how many launches are done
  std::array<Slot, 2> slots_;
  Stream copies_;  // of what the step's rows need, while the device computes the step
  Event copied_;
  // Of the launch being packed:
  size_t updates_at_ = 0, lists_at_ = 0;  // in the block
  size_t lists_used_ = 0;
  int num_updates_ = 0, num_masks_ = 0, num_masks_sent_ = 0;
  std::vector<Seen> seen_rows_;                    // [max_seqs]
  std::unordered_map<uint64_t, int> seen_row_of_;  // by sequence
  uint32_t num_launched_ = 0, num_waited_for_ = 0;
};

}  // namespace ember::cuda
