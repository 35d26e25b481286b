// SPDX-License-Identifier: Apache-2.0
#include "fiber.h"

#include <cstdint>

#if defined(__x86_64__)
extern "C" void emu_switch(void** save, void* load);
extern "C" void emu_begin();

// Saves the callee-saved registers on the stack, changes stacks, restores those of the other side.
// emu_begin is where a new fiber's first switch "returns" to: r12 holds the entry, r13 its
// argument.
__asm__(R"(
.text
.globl emu_switch
.type emu_switch, @function
emu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emu_switch, .-emu_switch
.globl emu_begin
.type emu_begin, @function
emu_begin:
  movq %r13, %rdi
  call *%r12
  ud2
.size emu_begin, .-emu_begin
)");
#endif

namespace emu {

Fiber::Fiber() : stack_(new char[kStackBytes]) {}

#if defined(__x86_64__)

void Fiber::start(void (*entry)(void*), void* argument) {
  auto* top = reinterpret_cast<uint64_t*>(
      (reinterpret_cast<uintptr_t>(stack_.get()) + kStackBytes) & ~uintptr_t{15});
  *--top = 0;
  *--top = 0;
  *--top =
      reinterpret_cast<uint64_t>(&emu_begin);  // after the return the stack is aligned for the call
  *--top = 0;                                  // rbp
  *--top = 0;                                  // rbx
  *--top = reinterpret_cast<uint64_t>(entry);  // r12
  *--top = reinterpret_cast<uint64_t>(argument);  // r13
  *--top = 0;                                     // r14
  *--top = 0;                                     // r15
  mine_ = top;
}

void Fiber::enter() { emu_switch(&owner_, mine_); }
void Fiber::leave() { emu_switch(&mine_, owner_); }

#else

void Fiber::trampoline(unsigned high, unsigned low) {
  auto* self = reinterpret_cast<Fiber*>(static_cast<uintptr_t>(high) << 32 | low);
  self->entry_(self->argument_);
}

void Fiber::start(void (*entry)(void*), void* argument) {
  entry_ = entry;
  argument_ = argument;
  getcontext(&mine_);
  mine_.uc_stack.ss_sp = stack_.get();
  mine_.uc_stack.ss_size = kStackBytes;
  mine_.uc_link = nullptr;
  const auto self = reinterpret_cast<uintptr_t>(this);
  makecontext(&mine_, reinterpret_cast<void (*)()>(&Fiber::trampoline), 2,
              static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
}

void Fiber::enter() { swapcontext(&owner_, &mine_); }
void Fiber::leave() { swapcontext(&mine_, &owner_); }

#endif

}  // namespace emu
