// SPDX-License-Identifier: Apache-2.0
// From the checkpoint's mapping to the device: through two pinned buffers by turns, so that reading
// the file and copying over the bus overlap. A few threads read: each waits for the pages of the
// file that are not in memory yet.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "cpu/thread_pool.h"
#include "cuda/memory.h"

namespace ember::cuda {

class WeightUpload {
 public:
  // num_threads: that read, the caller's among them; 0: a few.
  explicit WeightUpload(size_t chunk_bytes = size_t{16} << 20, int num_threads = 0);

  // Fills `rows` rows of row_bytes bytes, one after the other, at `to`: row r begins with the
  // source_bytes bytes at source(r), the rest of it is zero; several threads call source(). The
  // sources may be reused at once; the device has the data after wait().
  void rows(void* to, int64_t rows, size_t row_bytes, size_t source_bytes,
            const std::function<const void*(int64_t)>& source);
  void bytes(void* to, const void* from, size_t bytes);
  void wait();
  // Gives buffers and threads back; the next call takes new ones.
  void release();

 private:
  struct Chunk {
    PinnedBuffer buffer;
    Event copied;
  };
  // A buffer of at least `bytes` that no copy reads any more.
  Chunk& next(size_t bytes);
  cpu::ThreadPool& readers();
  void send(Chunk& chunk, void* to, size_t bytes);

  const size_t chunk_bytes_;
  const int num_threads_;
  std::optional<cpu::ThreadPool> readers_;
  std::array<Chunk, 2> chunks_;
  Stream stream_;  // after the chunks: its destructor waits for the copies that read them
  size_t turn_ = 0;
};

}  // namespace ember::cuda
