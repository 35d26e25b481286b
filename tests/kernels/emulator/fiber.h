// SPDX-License-Identifier: Apache-2.0
// A thread of execution that its owner enters and that leaves by itself; switching costs a few
// nanoseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emu {

class Fiber {
 public:
  static constexpr size_t kStackBytes = 128 * 1024;

  Fiber();
  // The next enter() calls entry(argument), which must never return.
  void start(void (*entry)(void*), void* argument);
  // Runs the fiber until it calls leave(). Fibers are entered from one place at a time only, never
  // from another fiber.
  void enter();
  void leave();
  uintptr_t stack() const { return reinterpret_cast<uintptr_t>(stack_.get()); }

 private:
  std::unique_ptr<char[]> stack_;
#if defined(__x86_64__)
  void* mine_ = nullptr;
  void* owner_ = nullptr;
#else
  static void trampoline(unsigned high, unsigned low);
  ucontext_t mine_, owner_;
#endif
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
};

}  // namespace emu
