// SPDX-License-Identifier: Apache-2.0
#include "http/send_buffer.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace ember {

namespace {

// Bytes that have been sent are kept in front of the others until they are so many, and more than
// those: then moving the others is cheap.
constexpr size_t kMinErased = 256 * 1024;

}  // namespace

SendBuffer::Outcome SendBuffer::send_to(int fd) {
  while (num_left() > 0) {
    const ssize_t count =
        ::send(fd, bytes.data() + num_sent, num_left(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return Outcome::kBroken;
    if (count < 0) break;
    num_sent += static_cast<size_t>(count);
  }
  const bool all = num_left() == 0;
  if (all || num_sent > std::max(kMinErased, num_left())) {
    bytes.erase(0, num_sent);
    num_sent = 0;
  }
  return all ? Outcome::kSent : Outcome::kFull;
}

}  // namespace ember
