// SPDX-License-Identifier: Apache-2.0
// Sequences of launches that are recorded once per key and replayed.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <unordered_map>

#include "cuda/memory.h"

namespace ember::cuda {

class Graphs {
 public:
  ~Graphs();

  // Records body's launches on the stream if the key is new; then launches what was recorded. What
  // body throws while recording is passed on, and nothing is kept.
  void run(int key, const Stream& stream, const std::function<void()>& body);
  size_t size() const { return recorded_.size(); }
  // No key is new from here on: that would be a bug.
  void seal() { sealed_ = true; }

 private:
  std::unordered_map<int, cudaGraphExec_t> recorded_;
  bool sealed_ = false;
};

}  // namespace ember::cuda
