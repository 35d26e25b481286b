// SPDX-License-Identifier: Apache-2.0
#include "cuda/graphs.h"

#include "cuda/error.h"
#include "ember/base/check.h"

namespace ember::cuda {

namespace {

cudaGraphExec_t record(const Stream& stream, const std::function<void()>& body) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  CUDA_CHECK(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
  try {
    body();
    CUDA_CHECK(cudaStreamEndCapture(stream.get(), &graph));
    CUDA_CHECK(cudaGraphInstantiate(&exec, graph, 0));
  } catch (...) {
    if (graph == nullptr) cudaStreamEndCapture(stream.get(), &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    throw;
  }
  cudaGraphDestroy(graph);
  return exec;
}

}  // namespace

Graphs::~Graphs() {
  for (const auto& [shape, exec] : recorded_) cudaGraphExecDestroy(exec);
}

void Graphs::run(const BatchShape& shape, const Stream& stream, const std::function<void()>& body) {
  auto found = recorded_.find(shape);
  if (found == recorded_.end()) {
    CHECK(!sealed_, "a graph for {} sequences of {} tokens is recorded after start-up",
          shape.num_seqs, shape.q_len);
    found = recorded_.emplace(shape, record(stream, body)).first;
  }
  CUDA_CHECK(cudaGraphLaunch(found->second, stream.get()));
}

}  // namespace ember::cuda
