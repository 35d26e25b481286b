// SPDX-License-Identifier: Apache-2.0
// A model behind the engine, without a server: for benchmarks and checks.
#pragma once

#include <memory>
#include <vector>

#include "device.h"
#include "ember/engine/engine.h"

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

  // Takes device and model over. The layout is the one that the device has reserved.
  BenchEngine(std::unique_ptr<Backend> backend, std::unique_ptr<Decoder> decoder,
              const Layout& layout, bool enable_prefix_caching);
  ~BenchEngine();

  // Runs all of them to their end; ids are given here. Throws StartError(kEngineFailed) when the
  // device failed.
  Run run(std::vector<Request> requests);

 private:
  class Log;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Engine> engine_;
  RequestId next_id_ = 1;
};

}  // namespace ember
