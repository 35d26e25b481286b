// SPDX-License-Identifier: Apache-2.0
// Bytes on their way into a socket that may be full.
#pragma once

#include <cstddef>
#include <string>

namespace ember {

struct SendBuffer {
  enum class Outcome { kSent, kFull, kBroken };

  std::string bytes;    // to be sent; append to it
  size_t num_sent = 0;  // of bytes

  size_t num_left() const { return bytes.size() - num_sent; }
  // Sends as much as the socket (non-blocking) takes: all of it (the buffer is empty then), or some
  // because the socket is full, or the connection is broken.
  Outcome send_to(int fd);
};

}  // namespace ember
