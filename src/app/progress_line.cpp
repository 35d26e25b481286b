// SPDX-License-Identifier: Apache-2.0
#include "progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace ember {

std::string progress_text(size_t bytes_done, size_t bytes_total, Duration elapsed) {
  const double done = static_cast<double>(bytes_done) / 1e9,
               total = static_cast<double>(bytes_total) / 1e9;
  const double rate = seconds(elapsed) > 0 ? done / seconds(elapsed) : 0;
  std::string text = fmt::format("loading {:.1f} of {:.1f} GB", done, total);
  if (rate > 0) text += fmt::format(", {:.1f} GB/s, {:.0f} s left", rate, (total - done) / rate);
  return text;
}

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (written_) std::fputs("\r\033[K", stderr);
}

void ProgressLine::update(size_t bytes_done, size_t bytes_total) {
  const TimePoint now = Clock::now();
  if (!terminal_ || (now < next_ && bytes_done < bytes_total)) return;
  next_ = now + std::chrono::milliseconds(100);
  std::fprintf(stderr, "\r\033[K%s", progress_text(bytes_done, bytes_total, now - begin_).c_str());
  std::fflush(stderr);
  written_ = true;
}

}  // namespace ember
