// SPDX-License-Identifier: Apache-2.0
// Limits the work that runs or waits. A request reserves its place before its body is parsed; the
// place is given back when its answer is done.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "ember/base/result.h"

namespace ember {

class Admission;

// A place in the queue. Gives everything back when destroyed.
class Ticket {
 public:
  Ticket() = default;
  Ticket(Ticket&& other) noexcept { swap(other); }
  Ticket& operator=(Ticket&& other) noexcept {
    Ticket(std::move(other)).swap(*this);
    return *this;
  }
  ~Ticket();

  // Reserves `sequences` sequences besides the one that comes with the ticket, and `tokens` prompt
  // tokens. kBusy ("queue_full") when there is no room; earlier reservations stay.
  Result<void> extend(int sequences, int64_t tokens);

 private:
  friend class Admission;
  void swap(Ticket& other) noexcept {
    std::swap(admission_, other.admission_);
    std::swap(sequences_, other.sequences_);
    std::swap(tokens_, other.tokens_);
  }
  Admission* admission_ = nullptr;
  int sequences_ = 0;
  int64_t tokens_ = 0;
};

// Thread-safe counters.
class Admission {
 public:
  // max_sequences: those that run plus those that may wait. max_tokens: prompt tokens of
  // all of them.
  explicit Admission(int max_sequences = 0, int64_t max_tokens = 0)
      : max_sequences_(max_sequences), max_tokens_(max_tokens) {}

  // Adds the capacity of one more model that is served.
  void add_room(int sequences, int64_t tokens);

  Result<Ticket> reserve();  // kBusy ("queue_full")
  int sequences() const { return sequences_.load(std::memory_order_relaxed); }
  int64_t tokens() const { return tokens_.load(std::memory_order_relaxed); }

 private:
  friend class Ticket;
  Result<void> take(int sequences, int64_t tokens);
  void give_back(int sequences, int64_t tokens);

  std::atomic<int> max_sequences_;
  std::atomic<int64_t> max_tokens_;
  std::atomic<int> sequences_{0};
  std::atomic<int64_t> tokens_{0};
};

}  // namespace ember
