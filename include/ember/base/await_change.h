// SPDX-License-Identifier: Apache-2.0
// Waiting for another thread that is expected within microseconds.
#pragma once

#include <immintrin.h>

#include <atomic>

namespace ember {

// Returns once `value` is not `old`. Looks for a while before it sleeps, so whoever changes the
// value calls notify_one or notify_all.
template <class T>
void await_change(const std::atomic<T>& value, T old) {
  constexpr int kSpins = 4000;
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    _mm_pause();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace ember
