// SPDX-License-Identifier: Apache-2.0
// Memory of the device and pinned memory of the host.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "ember/base/integers.h"

namespace ember::cuda {

// Device memory that is taken in one piece and given out from its beginning to its end; all of it
// is freed with the arena.
class Arena {
 public:
  static constexpr size_t kAlignment = 256;

  // guard_bytes, a multiple of kAlignment: lie after each piece, for guards_intact().
  explicit Arena(size_t guard_bytes) : guard_bytes_(guard_bytes) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // What take() uses up.
  size_t rounded(size_t bytes) const { return round_up(bytes, kAlignment) + guard_bytes_; }
  // Once, during start-up. Zeroed. Throws StartError(kNoDevice) where there is too little memory.
  void reserve(size_t bytes);
  // Aligned and zero. More than was reserved, or a call after seal(), is a bug.
  void* take(size_t bytes);
  // The same without a guard, for a multiple of kAlignment: exactly that is used up.
  void* take_exactly(size_t bytes);
  void seal() { sealed_ = true; }

  size_t used() const { return used_; }
  size_t reserved() const { return reserved_; }
  // Whether the guards, and what was reserved but not taken, are still zero. Reads the device.
  bool guards_intact() const;

 private:
  const size_t guard_bytes_;
  std::byte* base_ = nullptr;
  size_t reserved_ = 0, used_ = 0;
  std::vector<size_t> guards_;  // where they begin
  bool sealed_ = false;
};

// Page-locked host memory that the device can read and write too. Moves, and is freed with its
// owner.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(size_t bytes);
  ~PinnedBuffer();
  PinnedBuffer(PinnedBuffer&& other) noexcept { swap(other); }
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    PinnedBuffer(std::move(other)).swap(*this);
    return *this;
  }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  // The same memory at the address that kernels use.
  std::byte* on_device() const { return on_device_; }

 private:
  void swap(PinnedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(on_device_, other.on_device_);
    std::swap(size_, other.size_);
  }
  std::byte* data_ = nullptr;
  std::byte* on_device_ = nullptr;
  size_t size_ = 0;
};

// A stream and an event with the lifetime of their owner.
class Stream {
 public:
  Stream();
  ~Stream();  // waits for its work
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }
  void wait() const;

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(const Stream& stream);
  void wait() const;  // for what was recorded last; at once when nothing was
  // What the stream is asked for from here on waits for it; the host does not.
  void hold(const Stream& stream) const;

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace ember::cuda
