// SPDX-License-Identifier: Apache-2.0
// Memory for kernel tests that ends at a page nobody may touch: reading or writing past the end is
// a crash.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>

namespace ember::kernels {

template <class T>
class Guarded {
 public:
  explicit Guarded(size_t count, T fill = T{}) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = (count * sizeof(T) + 15) / 16 * 16;  // the start stays aligned for vectors
    mapped_ = (bytes + page - 1) / page * page + page;
    void* memory =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<char*>(memory);
    mprotect(base_ + mapped_ - page, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(base_ + mapped_ - page - bytes);
    for (size_t i = 0; i < count; ++i) data_[i] = fill;
  }
  ~Guarded() { munmap(base_, mapped_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  size_t count_, mapped_ = 0;
  char* base_ = nullptr;
  T* data_ = nullptr;
};

}  // namespace ember::kernels
