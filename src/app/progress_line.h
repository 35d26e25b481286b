// SPDX-License-Identifier: Apache-2.0
// One line on a terminal that shows how far loading has come.
#pragma once

#include <cstddef>
#include <string>

#include "ember/base/clock.h"

namespace ember {

// "loading 3.2 of 15.2 GB, 1.6 GB/s, 8 s left".
std::string progress_text(size_t bytes_done, size_t bytes_total, Duration elapsed);

// Rewrites its line on stderr, at most ten times a second, and ends it when destroyed. Writes
// nothing where stderr is no terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void update(size_t bytes_done, size_t bytes_total);

 private:
  const bool terminal_;
  const TimePoint begin_ = Clock::now();
  TimePoint next_{};
  bool written_ = false;
};

}  // namespace ember
