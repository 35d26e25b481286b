// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/rank_group.h"

#include <utility>

#include "ember/base/await_change.h"
#include "ember/base/log.h"

namespace ember {

RankGroup::RankGroup(std::shared_ptr<Rendezvous> meeting) : meeting_(std::move(meeting)) {
  ranks_.resize(static_cast<size_t>(meeting_->num_threads()));
  for (int rank = 1; rank < size(); ++rank) threads_.emplace_back([this, rank] { work(rank); });
}

RankGroup::RankGroup(std::unique_ptr<Backend> backend, std::unique_ptr<Decoder> decoder) {
  ranks_.push_back({.backend = std::move(backend), .decoder = std::move(decoder)});
}

RankGroup::~RankGroup() {
  run([this](int rank) { const Rank ended = std::move(at(rank)); });
  body_ = nullptr;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void RankGroup::run(const std::function<void(int)>& body) {
  if (threads_.empty()) return body(0);
  body_ = &body;
  num_busy_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  run_rank(0);
  for (int busy = num_busy_.load(std::memory_order_acquire); busy != 0;
       busy = num_busy_.load(std::memory_order_acquire))
    await_change(num_busy_, busy);
  std::exception_ptr fault;
  {
    MutexLock lock(mu_);
    fault = std::exchange(fault_, nullptr);
  }
  if (fault) std::rethrow_exception(fault);
}

void RankGroup::work(int rank) {
  for (uint32_t seen = 0;; ++seen) {
    await_change(round_, seen);
    if (body_ == nullptr) return;
    run_rank(rank);
    if (num_busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) num_busy_.notify_one();
  }
}

void RankGroup::run_rank(int rank) noexcept {
  try {
    (*body_)(rank);
  } catch (...) {
    MutexLock lock(mu_);
    if (!fault_) {
      fault_ = std::current_exception();
      spdlog::error("rank {} of {} has failed", rank, size());
    }
    meeting_->abort();
  }
}

}  // namespace ember
