// SPDX-License-Identifier: Apache-2.0
#include "cuda/graphs.h"

#include <gtest/gtest.h>

#include "cuda/error.h"
#include "fake_runtime.h"

namespace ember::cuda {
namespace {

TEST(CudaGraphs, ABodyIsRecordedOncePerShapeAndReplayed) {
  Stream stream;
  Graphs graphs;
  int bodies = 0, work = 0;
  const auto run = [&](int num_seqs, int q_len = 1) {
    graphs.run({.num_seqs = num_seqs, .q_len = q_len}, stream, [&] {
      ++bodies;
      fake_cuda::enqueue(stream.get(), [&work, num_seqs] { work += num_seqs; });
    });
    stream.wait();
  };
  run(1);
  EXPECT_EQ(work, 1) << "recording launches nothing by itself";
  run(1);
  run(10);
  EXPECT_EQ(work, 12);
  EXPECT_EQ(bodies, 2);
  run(10, 2);
  EXPECT_EQ(bodies, 3) << "two tokens of each are another shape";
  EXPECT_EQ(graphs.size(), 3u);
  graphs.seal();
  run(10);
  EXPECT_EQ(work, 32);
  EXPECT_DEATH(run(3), "a graph for 3 sequences of 1 tokens is recorded after start-up");
}

TEST(CudaGraphs, ABodyThatThrowsLeavesTheStreamUsable) {
  Stream stream;
  Graphs graphs;
  EXPECT_THROW(
      graphs.run({.num_seqs = 1, .q_len = 1}, stream, [] { throw std::runtime_error("no"); }),
      std::runtime_error);
  EXPECT_EQ(graphs.size(), 0u);
  bool done = false;
  fake_cuda::enqueue(stream.get(), [&] { done = true; });
  stream.wait();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace ember::cuda
