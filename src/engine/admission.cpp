// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/admission.h"

#include <fmt/format.h>

namespace ember {

namespace {

// Adds n unless the sum would pass `limit`.
template <class T>
bool add_within(std::atomic<T>& counter, T n, T limit) {
  T now = counter.load(std::memory_order_relaxed);
  do {
    if (n > limit - now) return false;
  } while (!counter.compare_exchange_weak(now, now + n, std::memory_order_relaxed));
  return true;
}

}  // namespace

Ticket::~Ticket() {
  if (admission_ != nullptr) admission_->give_back(sequences_, tokens_);
}

Result<void> Ticket::extend(int sequences, int64_t tokens) {
  Result<void> taken = admission_->take(sequences, tokens);
  if (taken.ok()) {
    sequences_ += sequences;
    tokens_ += tokens;
  }
  return taken;
}

Result<Ticket> Admission::reserve() {
  if (Result<void> taken = take(1, 0); !taken.ok()) return taken.error();
  Ticket ticket;
  ticket.admission_ = this;
  ticket.sequences_ = 1;
  return ticket;
}

void Admission::add_room(int sequences, int64_t tokens) {
  max_sequences_.fetch_add(sequences, std::memory_order_relaxed);
  max_tokens_.fetch_add(tokens, std::memory_order_relaxed);
}

Result<void> Admission::take(int sequences, int64_t tokens) {
  const int max_sequences = max_sequences_.load(std::memory_order_relaxed);
  const int64_t max_tokens = max_tokens_.load(std::memory_order_relaxed);
  if (!add_within(sequences_, sequences, max_sequences))
    return Error{ErrorKind::kBusy,
                 fmt::format("The server is full: {} sequences run or wait.", max_sequences), "",
                 "queue_full"};
  if (!add_within(tokens_, tokens, max_tokens)) {
    give_back(sequences, 0);
    return Error{ErrorKind::kBusy,
                 fmt::format("The server is full: {} prompt tokens are queued.", max_tokens), "",
                 "queue_full"};
  }
  return {};
}

void Admission::give_back(int sequences, int64_t tokens) {
  sequences_.fetch_sub(sequences, std::memory_order_relaxed);
  tokens_.fetch_sub(tokens, std::memory_order_relaxed);
}

}  // namespace ember
