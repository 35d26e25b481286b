// SPDX-License-Identifier: Apache-2.0
// The kernels' sources are compiled with -fsanitize=thread, but not linked with its library: each
// of their loads and stores calls one of these.
#include <cstddef>
#include <cstdint>

#include "machine.h"

namespace {

void load(const void* data, size_t bytes) {
  if (emu::in_kernel) emu::access(data, bytes, emu::Access::kRead);
}
void store(const void* data, size_t bytes) {
  if (emu::in_kernel) emu::access(data, bytes, emu::Access::kWrite);
}
// Strong operations: they may meet one another.
void strong_store(const void* data, size_t bytes) {
  if (emu::in_kernel) emu::access(data, bytes, emu::Access::kAtomic);
}

}  // namespace

#define EMU_HOOKS(n)                                              \
  void __tsan_read##n(void* p) { load(p, n); }                    \
  void __tsan_write##n(void* p) { store(p, n); }                  \
  void __tsan_unaligned_read##n(void* p) { load(p, n); }          \
  void __tsan_unaligned_write##n(void* p) { store(p, n); }        \
  void __tsan_volatile_read##n(void* p) { load(p, n); }           \
  void __tsan_volatile_write##n(void* p) { strong_store(p, n); }  \
  void __tsan_unaligned_volatile_read##n(void* p) { load(p, n); } \
  void __tsan_unaligned_volatile_write##n(void* p) { strong_store(p, n); }

extern "C" {

EMU_HOOKS(1)
EMU_HOOKS(2)
EMU_HOOKS(4)
EMU_HOOKS(8)
EMU_HOOKS(16)
void __tsan_read_range(void* p, size_t n) { load(p, n); }
void __tsan_write_range(void* p, size_t n) { store(p, n); }
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}

}  // extern "C"
