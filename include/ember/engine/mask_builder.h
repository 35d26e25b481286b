// SPDX-License-Identifier: Apache-2.0
// Which tokens a step's constrained sequences may choose from, found out while the device computes
// the step.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <thread>
#include <vector>

#include "ember/backend/backend.h"
#include "ember/base/mutex.h"
#include "ember/scheduler/scheduler.h"

namespace ember {

// Used by the engine's thread; the masks are computed on a few threads of its own, which start with
// the first constrained request.
class MaskBuilder {
 public:
  // vocab_size: columns of the logits.
  explicit MaskBuilder(int32_t vocab_size);
  ~MaskBuilder();
  MaskBuilder(const MaskBuilder&) = delete;
  MaskBuilder& operator=(const MaskBuilder&) = delete;

  // Calls `compute`, which launches the step (or computes it), and meanwhile sets `mask` of the
  // rows that a constrained sequence samples from; `rows` are the step's, in its order. The masks
  // are valid until the next call. An exception of `compute` comes through once nobody reads the
  // step any more.
  //
  // Stop ids before min_tokens are cleared in the mask (and taken out of `banned`), unless nothing
  // else is allowed: a complete answer ends. Whatever a constraint throws leaves an empty mask:
  // nothing can be chosen, and only that sequence ends.
  void build(const Step& step, std::span<SamplingRow> rows, const std::function<void()>& compute);

 private:
  struct Item {
    const Sequence* seq;
    SamplingRow* row;
  };

  void collect(const Step& step, std::span<SamplingRow> rows);
  void start_threads();
  void fill(size_t item);
  void take_items();
  void work();
  void finish();

  const size_t num_words_;       // of one mask
  std::vector<uint32_t> masks_;  // [most items so far][num_words]
  std::vector<Item> items_;      // of the present step
  std::atomic<size_t> next_item_{0};
  std::vector<std::thread> threads_;

  Mutex mu_;
  CondVar wake_, idle_;
  uint64_t round_ GUARDED_BY(mu_) = 0;  // changes when there are items
  int num_busy_ GUARDED_BY(mu_) = 0;    // threads that have not finished the present round
  bool stopping_ GUARDED_BY(mu_) = false;
};

}  // namespace ember
