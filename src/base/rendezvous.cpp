// SPDX-License-Identifier: Apache-2.0
#include "ember/base/rendezvous.h"

#include "ember/base/await_change.h"

namespace ember {

void Rendezvous::meet() {
  // Before the look at aborted_: abort() changes them in the other order, so that one is seen.
  const uint32_t round = round_.load(std::memory_order_acquire);
  if (aborted()) throw RanksAborted();
  if (num_arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < num_threads_) {
    await_change(round_, round);
    if (aborted()) throw RanksAborted();
    return;
  }
  num_arrived_.store(0, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
}

void Rendezvous::abort() noexcept {
  aborted_.store(true, std::memory_order_release);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
}

}  // namespace ember
