// SPDX-License-Identifier: Apache-2.0
// A model behind the engine, without a server: for benchmarks and checks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "device.h"
#include "ember/engine/engine_thread.h"

namespace ember {

class BenchEngine {
 public:
  struct Answer {
    std::vector<TokenOutput> events;  // the tokens, in order
    TimePoint first{};                // when the first was known
  };
  struct StepTime {
    TimePoint end{};
    int num_tokens = 0;
  };
  struct Run {
    TimePoint begin{};
    std::vector<Answer> answers;  // in the order of the requests
    std::vector<StepTime> steps;  // that computed something
  };

  // A model on a device; the layout is the one that the device has reserved.
  struct Loaded {
    std::unique_ptr<RankGroup> ranks;
    Layout layout;
  };

  // `load` is called on the engine's thread; the constructor rethrows what it throws.
  BenchEngine(const std::function<Loaded()>& load, bool enable_prefix_caching);
  ~BenchEngine();

  // Runs all of them to their end; ids are given here. Throws StartError(kEngineFailed) when the
  // device failed.
  Run run(std::vector<Request> requests);

  const Layout& layout() const { return layout_; }
  const std::string& device() const { return device_; }  // its description of itself

 private:
  class Log;
  std::unique_ptr<Log> log_;
  Layout layout_;
  std::string device_;
  std::unique_ptr<EngineThread> thread_;
  RequestId next_id_ = 1;
};

}  // namespace ember
