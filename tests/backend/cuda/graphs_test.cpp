// SPDX-License-Identifier: Apache-2.0
#include "cuda/graphs.h"

#include <gtest/gtest.h>

#include "cuda/error.h"
#include "fake_runtime.h"

namespace ember::cuda {
namespace {

TEST(CudaGraphs, ABodyIsRecordedOncePerKeyAndReplayed) {
  Stream stream;
  Graphs graphs;
  int bodies = 0, work = 0;
  const auto run = [&](int key) {
    graphs.run(key, stream, [&] {
      ++bodies;
      fake_cuda::enqueue(stream.get(), [&work, key] { work += key; });
    });
    stream.wait();
  };
  run(1);
  EXPECT_EQ(work, 1) << "recording launches nothing by itself";
  run(1);
  run(10);
  EXPECT_EQ(work, 12);
  EXPECT_EQ(bodies, 2);
  EXPECT_EQ(graphs.size(), 2u);
  graphs.seal();
  run(10);
  EXPECT_EQ(work, 22);
  EXPECT_DEATH(run(3), "a graph for 3 tokens is recorded after start-up");
}

TEST(CudaGraphs, ABodyThatThrowsLeavesTheStreamUsable) {
  Stream stream;
  Graphs graphs;
  EXPECT_THROW(graphs.run(1, stream, [] { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(graphs.size(), 0u);
  bool done = false;
  fake_cuda::enqueue(stream.get(), [&] { done = true; });
  stream.wait();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace ember::cuda
