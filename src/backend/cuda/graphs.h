// SPDX-License-Identifier: Apache-2.0
// Sequences of launches that are recorded once per shape and replayed.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <map>

#include "cuda/memory.h"
#include "ember/backend/backend.h"

namespace ember::cuda {

class Graphs {
 public:
  ~Graphs();

  // Records body's launches on the stream if the shape is new; then launches what was recorded.
  // What body throws while recording is passed on, and nothing is kept.
  void run(const BatchShape& shape, const Stream& stream, const std::function<void()>& body);
  size_t size() const { return recorded_.size(); }
  // No shape is new from here on: that would be a bug.
  void seal() { sealed_ = true; }

 private:
  std::map<BatchShape, cudaGraphExec_t> recorded_;
  bool sealed_ = false;
};

}  // namespace ember::cuda
