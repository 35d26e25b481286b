// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/device_batch.h"

#include <gtest/gtest.h>

#include "ember/engine/batch_builder.h"
#include "model/naive_backend.h"

namespace ember {
namespace {

constexpr BatchLimits kLimits{
    .max_tokens = 16, .max_seqs = 4, .max_logit_rows = 8, .max_blocks = 5, .block_size = 4};

std::vector<int32_t> values(const Tensor& tensor) {
  return {tensor.as<int32_t>(), tensor.as<int32_t>() + tensor.elements()};
}

// Counts what is written.
class Counting final : public NaiveBackend {
 public:
  void write(Tensor to, const void* from, size_t bytes) override {
    ++num_writes, num_bytes += bytes;
    NaiveBackend::write(to, from, bytes);
  }
  void write_columns(Tensor to, const void* from, int64_t columns) override {
    ++num_writes, num_bytes += static_cast<size_t>(to.shape[0] * columns) * size_of(to.dtype);
    NaiveBackend::write_columns(to, from, columns);
  }
  int num_writes = 0;
  size_t num_bytes = 0;
};

TEST(DeviceBatch, HasTheHostsValuesInMemoryOfItsOwnAfterCopyingWhatIsUsed) {
  Counting backend;
  BatchBuilder builder(kLimits, {});
  DeviceBatch device(backend, kLimits);
  EXPECT_EQ(backend.allocated_bytes, DeviceBatch::bytes(backend, kLimits));

  Sequence seq;
  seq.tokens = {1, 2, 3, 4, 5};
  seq.request = share({.prompt = seq.tokens});
  seq.block_table = {3, 1};
  Step step;
  step.seqs.push_back({.seq = &seq, .first_position = 2, .num_tokens = 3});
  step.num_tokens = 3;
  const HostBatch& host = builder.build(step);
  const BatchView batch = device.upload(host);
  EXPECT_EQ(backend.num_writes, 2) << "two columns of a block table, and the other arrays at once";
  EXPECT_EQ(backend.num_bytes, (2 + 3 * 3 + 2 + 1) * sizeof(int32_t));
  EXPECT_EQ(batch.num_tokens, 3);
  EXPECT_EQ(batch.num_seqs, 1);
  EXPECT_EQ(batch.max_kv_len, 5);

  seq.tokens = {9, 9, 9, 9, 9};
  builder.build(step);  // the host's memory is used again
  EXPECT_EQ(values(batch.token_ids), (std::vector<int32_t>{3, 4, 5}));
  EXPECT_EQ(values(batch.positions), (std::vector<int32_t>{2, 3, 4}));
  EXPECT_EQ(values(batch.slots), (std::vector<int32_t>{14, 15, 4}));
  EXPECT_EQ(values(batch.q_starts), (std::vector<int32_t>{0, 3}));
  EXPECT_EQ(values(batch.kv_lens), (std::vector<int32_t>{5}));
  EXPECT_EQ(batch.block_tables.as<int32_t>()[0], 3);
  EXPECT_EQ(batch.block_tables.as<int32_t>()[1], 1);

  const BatchView again = device.upload(host);
  EXPECT_EQ(values(again.token_ids), (std::vector<int32_t>{9, 9, 9}));
}

TEST(DeviceBatch, RecordedStepsReadTheSameAddresses) {
  NaiveBackend backend;
  DeviceBatch device(backend, kLimits);
  constexpr BatchShape kShape{.num_seqs = 2, .q_len = 1};
  BatchBuilder builder(kLimits, {&kShape, 1});
  const BatchView recorded = device.upload(builder.build_padding(kShape));
  Sequence seq;
  seq.request = share({.prompt = {1}});
  seq.tokens = {1, 2};
  seq.block_table = {4};
  Step step;
  step.seqs.push_back({.seq = &seq,
                       .first_position = 1,
                       .num_tokens = 1,
                       .first_row_position = 1,
                       .num_logit_rows = 1,
                       .num_sampled = 1});
  step.num_tokens = step.num_logit_rows = 1;
  const BatchView batch = device.upload(builder.build(step));
  ASSERT_EQ(batch.shape, kShape);
  EXPECT_EQ(batch.token_ids.data, recorded.token_ids.data);
  EXPECT_EQ(batch.positions.data, recorded.positions.data);
  EXPECT_EQ(batch.slots.data, recorded.slots.data);
  EXPECT_EQ(batch.q_starts.data, recorded.q_starts.data);
  EXPECT_EQ(batch.kv_lens.data, recorded.kv_lens.data);
  EXPECT_EQ(batch.logit_rows.data, recorded.logit_rows.data);
  EXPECT_EQ(batch.block_tables.data, recorded.block_tables.data);
  EXPECT_EQ(batch.block_tables.row_stride, recorded.block_tables.row_stride);
  EXPECT_EQ(values(batch.token_ids), (std::vector<int32_t>{2, 0}));
  EXPECT_EQ(batch.block_tables.as<int32_t>()[0], 4);
}

TEST(DeviceBatch, OneHostBatchServesSeveralRanks) {
  NaiveBackend backends[2];
  DeviceBatch first(backends[0], kLimits), second(backends[1], kLimits);
  BatchBuilder builder(kLimits, {});
  const HostBatch& host = builder.build_padding({.num_seqs = 2, .q_len = 2});
  const BatchView &a = first.upload(host), &b = second.upload(host);
  EXPECT_NE(a.slots.data, b.slots.data);
  EXPECT_EQ(values(a.slots), values(b.slots));
  EXPECT_EQ(a.shape, host.view.shape);
}

}  // namespace
}  // namespace ember
