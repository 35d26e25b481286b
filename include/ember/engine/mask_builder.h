// SPDX-License-Identifier: Apache-2.0
// Computes which tokens a step's constrained sequences may choose from, while the device computes
// the step.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/base/mutex.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

// Used by the engine's thread. The masks are computed on a few threads of its own, and by the
// engine's thread while it waits for them.
class MaskBuilder {
 public:
  // vocab_size: columns of the logits. cpu_threads: how many this process computes on; a quarter of
  // them, at least one, is started for masks.
  MaskBuilder(int32_t vocab_size, int cpu_threads);
  ~MaskBuilder();
  MaskBuilder(const MaskBuilder&) = delete;
  MaskBuilder& operator=(const MaskBuilder&) = delete;

  // The computation of one step's masks. Once it is finished or destroyed, no thread reads the step
  // or writes the rows.
  class [[nodiscard]] Round {
   public:
    ~Round() { finish(); }
    Round(const Round&) = delete;
    Round& operator=(const Round&) = delete;

    // Waits until every mask is there. The masks are valid until the next begin().
    void finish();

   private:
    friend class MaskBuilder;
    explicit Round(MaskBuilder& builder) : builder_(&builder) {}
    MaskBuilder* builder_;
  };

  // Begins to compute `mask` of each row that a constrained sequence samples from; `rows` are the
  // step's, in its order. The step and its sequences must stay as they are, and the rows must not
  // be read, until the round is finished.
  //
  // Stop ids before min_tokens are cleared in the mask (and taken out of `banned`), unless nothing
  // else is allowed: a complete answer ends. A constraint that throws leaves an empty mask: no
  // token can be chosen, and only that sequence ends. A sequence that has ended gets no mask.
  //
  // The masks are written to `memory` (Backend::mask_memory), or to the builder's own when it is
  // empty.
  Round begin(const Step& step, std::span<SamplingRow> rows, std::span<uint32_t> memory = {});

 private:
  struct Item {
    Sequence* seq;
    SamplingRow* row;
  };

  void collect(const Step& step, std::span<SamplingRow> rows, std::span<uint32_t> memory);
  void fill(size_t item);
  void take_items();
  void work();
  void finish();

  const size_t num_words_;     // of one mask
  std::vector<uint32_t> own_;  // [largest number of items so far][num_words]
  std::span<uint32_t> masks_;  // [items of the present step][num_words]
  std::vector<Item> items_;    // of the present step
  std::atomic<size_t> next_item_{0};
  std::vector<std::thread> threads_;

  Mutex mu_;
  CondVar wake_, idle_;
  uint64_t round_ GUARDED_BY(mu_) = 0;  // changes when there are items
  bool open_ GUARDED_BY(mu_) = false;   // a thread may join the present round
  int num_busy_ GUARDED_BY(mu_) = 0;    // threads that have joined and not finished it
  bool stopping_ GUARDED_BY(mu_) = false;
};

}  // namespace ember
