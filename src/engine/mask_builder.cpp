// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/mask_builder.h"

#include <algorithm>
#include <exception>

#include "ember/base/integers.h"
#include "ember/base/log.h"

namespace ember {

namespace {

constexpr int kMaxThreads = 8;

// Bans the ids, unless nothing else is allowed.
void ban_unless_all(std::span<uint32_t> mask, std::span<const int32_t> ids) {
  const auto set = [&](int32_t id) {
    return static_cast<size_t>(id) / 32 < mask.size() &&
           (mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1) != 0;
  };
  std::vector<int32_t> cleared;
  for (const int32_t id : ids)
    if (set(id)) {
      mask[static_cast<size_t>(id) / 32] &= ~(1u << (id % 32));
      cleared.push_back(id);
    }
  if (std::any_of(mask.begin(), mask.end(), [](uint32_t word) { return word != 0; })) return;
  for (const int32_t id : cleared) mask[static_cast<size_t>(id) / 32] |= 1u << (id % 32);
}

}  // namespace

MaskBuilder::MaskBuilder(int32_t vocab_size, int cpu_threads)
    : num_words_(ceil_div(static_cast<size_t>(vocab_size), 32)) {
  const int count = std::clamp(cpu_threads / 4, 1, kMaxThreads);
  for (int i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
}

MaskBuilder::~MaskBuilder() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    wake_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

MaskBuilder::Round MaskBuilder::begin(const Step& step, std::span<SamplingRow> rows,
                                      std::span<uint32_t> memory) {
  collect(step, rows, memory);
  if (!items_.empty()) {
    MutexLock lock(mu_);
    next_item_.store(0, std::memory_order_relaxed);
    open_ = true;
    ++round_;
    wake_.notify_all();
  }
  return Round(*this);
}

void MaskBuilder::Round::finish() {
  if (builder_ == nullptr) return;
  builder_->finish();
  builder_ = nullptr;
}

void MaskBuilder::collect(const Step& step, std::span<SamplingRow> rows,
                          std::span<uint32_t> memory) {
  items_.clear();
  size_t row = 0;
  for (const ScheduledSequence& part : step.seqs) {
    row += static_cast<size_t>(part.num_logit_rows);
    if (part.num_sampled > 0 && part.seq->request->constraint != nullptr &&
        part.seq->state != SequenceState::kFinished)
      items_.push_back({part.seq, &rows[row - 1]});
  }
  const size_t num_words = items_.size() * num_words_;
  if (memory.empty() && own_.size() < num_words) own_.resize(num_words);
  masks_ = (memory.empty() ? std::span(own_) : memory).first(num_words);
}

void MaskBuilder::work() {
  for (uint64_t seen = 0;;) {
    {
      MutexLock lock(mu_);
      while (round_ == seen && !stopping_) wake_.wait(mu_);
      if (stopping_) return;
      seen = round_;
      if (!open_) continue;  // everything was done before this thread was given a core
      ++num_busy_;
    }
    take_items();
    MutexLock lock(mu_);
    if (--num_busy_ == 0) idle_.notify_one();
  }
}

// The engine's thread computes masks as well: once the step is launched it has only to wait for
// them. It does not wait for a thread that has not begun.
void MaskBuilder::finish() {
  if (items_.empty()) return;
  take_items();
  MutexLock lock(mu_);
  open_ = false;
  while (num_busy_ > 0) idle_.wait(mu_);
}

void MaskBuilder::take_items() {
  for (size_t item = next_item_.fetch_add(1, std::memory_order_relaxed); item < items_.size();
       item = next_item_.fetch_add(1, std::memory_order_relaxed))
    fill(item);
}

void MaskBuilder::fill(size_t item) {
  Sequence& seq = *items_[item].seq;
  SamplingRow& row = *items_[item].row;
  const std::span<uint32_t> mask = masks_.subspan(item * num_words_, num_words_);
  try {
    if (seq.constraint == nullptr) seq.constraint = seq.request->constraint->start();
    seq.constraint->next_mask(seq.output(), mask);
    ban_unless_all(mask, row.banned);
  } catch (const std::exception& e) {
    spdlog::error("request {}: no mask: {}", seq.request->id, e.what());
    std::fill(mask.begin(), mask.end(), 0u);
  }
  row.banned = {};
  row.mask = mask;
}

}  // namespace ember
