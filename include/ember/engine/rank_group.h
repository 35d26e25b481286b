// SPDX-License-Identifier: Apache-2.0
// The ranks of one tensor-parallel group, each with a device, a part of the model and a thread.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "ember/base/mutex.h"
#include "ember/base/rendezvous.h"
#include "ember/engine/device_batch.h"
#include "ember/model/decoder.h"

namespace ember {

// Made, used and destroyed by the rank's thread; the batch once the backend is prepared.
struct Rank {
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Decoder> decoder;
  std::optional<DeviceBatch> batch;
};

// Rank 0 is the thread that makes the group, which is also the one that uses and destroys it; the
// others have threads of the group's own.
class RankGroup {
 public:
  // As many ranks as threads meet at `meeting`, with nothing yet. What their backends share waits
  // there, and nobody else does.
  explicit RankGroup(std::shared_ptr<Rendezvous> meeting);
  // One rank.
  RankGroup(std::unique_ptr<Backend> backend, std::unique_ptr<Decoder> decoder);
  ~RankGroup();
  RankGroup(const RankGroup&) = delete;
  RankGroup& operator=(const RankGroup&) = delete;

  int size() const { return static_cast<int>(ranks_.size()); }
  Rank& at(int rank) { return ranks_[static_cast<size_t>(rank)]; }

  // Calls body(r) on the thread of every rank r, and returns when all of them have returned. When
  // one throws, the meeting is aborted, for ever, so that nobody waits for it; rethrows what was
  // thrown first.
  void run(const std::function<void(int rank)>& body);
  // Whether a rank has thrown in a group of several. Any rank's thread: for what takes long.
  bool failed() const { return meeting_ && meeting_->aborted(); }

 private:
  void work(int rank);
  void run_rank(int rank) noexcept;

  const std::shared_ptr<Rendezvous> meeting_;  // null: there is one rank
  std::vector<Rank> ranks_;
  const std::function<void(int)>* body_ = nullptr;  // null: the threads end
  std::atomic<uint32_t> round_{0};                  // changes when there is a body
  std::atomic<int> num_busy_{0};                    // threads that have not ended the present round
  Mutex mu_;
  std::exception_ptr fault_ GUARDED_BY(mu_);  // of the present round, the first one
  std::vector<std::thread> threads_;          // of rank 1, 2, ...
};

}  // namespace ember
