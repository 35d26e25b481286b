// SPDX-License-Identifier: Apache-2.0
#include "cuda/weight_upload.h"

#include <algorithm>
#include <cstring>

#include "cuda/error.h"
#include "ember/base/cpus.h"
#include "ember/base/integers.h"

namespace ember::cuda {

namespace {

constexpr int kMaxThreads = 4;
constexpr size_t kTaskBytes = size_t{1} << 20;  // that one thread reads at a time

}  // namespace

WeightUpload::WeightUpload(size_t chunk_bytes, int num_threads)
    : chunk_bytes_(chunk_bytes),
      num_threads_(num_threads > 0 ? num_threads : std::min(kMaxThreads, usable_cpus())) {}

cpu::ThreadPool& WeightUpload::readers() {
  if (!readers_) readers_.emplace(num_threads_);
  return *readers_;
}

WeightUpload::Chunk& WeightUpload::next(size_t bytes) {
  Chunk& chunk = chunks_[turn_++ % chunks_.size()];
  chunk.copied.wait();
  if (chunk.buffer.size() < bytes) chunk.buffer = PinnedBuffer(std::max(bytes, chunk_bytes_));
  return chunk;
}

void WeightUpload::send(Chunk& chunk, void* to, size_t bytes) {
  CUDA_CHECK(
      cudaMemcpyAsync(to, chunk.buffer.data(), bytes, cudaMemcpyHostToDevice, stream_.get()));
  chunk.copied.record(stream_);
}

void WeightUpload::rows(void* to, int64_t rows, size_t row_bytes, size_t source_bytes,
                        const std::function<const void*(int64_t)>& source) {
  const auto rows_within = [&](size_t bytes) {
    return std::max<int64_t>(1, static_cast<int64_t>(bytes / row_bytes));
  };
  const int64_t rows_per_chunk = rows_within(chunk_bytes_),
                rows_per_task = std::min(rows_within(kTaskBytes),
                                         ceil_div<int64_t>(rows_per_chunk, num_threads_));
  for (int64_t first = 0; first < rows; first += rows_per_chunk) {
    const int64_t count = std::min(rows_per_chunk, rows - first);
    Chunk& chunk = next(static_cast<size_t>(count) * row_bytes);
    readers().run(static_cast<int>(ceil_div(count, rows_per_task)), [&](int task, int) {
      const int64_t begin = task * rows_per_task, end = std::min(count, begin + rows_per_task);
      for (int64_t r = begin; r < end; ++r) {
        std::byte* row = chunk.buffer.data() + static_cast<size_t>(r) * row_bytes;
        std::memcpy(row, source(first + r), source_bytes);
        std::memset(row + source_bytes, 0, row_bytes - source_bytes);
      }
    });
    send(chunk, static_cast<std::byte*>(to) + static_cast<size_t>(first) * row_bytes,
         static_cast<size_t>(count) * row_bytes);
  }
}

void WeightUpload::bytes(void* to, const void* from, size_t bytes) {
  for (size_t done = 0; done < bytes; done += chunk_bytes_) {
    const size_t count = std::min(chunk_bytes_, bytes - done);
    Chunk& chunk = next(count);
    std::memcpy(chunk.buffer.data(), static_cast<const std::byte*>(from) + done, count);
    send(chunk, static_cast<std::byte*>(to) + done, count);
  }
}

void WeightUpload::wait() { stream_.wait(); }

void WeightUpload::release() {
  wait();
  for (Chunk& chunk : chunks_) chunk.buffer = PinnedBuffer();
  readers_.reset();
}

}  // namespace ember::cuda
