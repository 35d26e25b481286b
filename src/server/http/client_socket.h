// SPDX-License-Identifier: Apache-2.0
// How the sockets of clients begin and end.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "ember/server/connection.h"

namespace ember {

// The next client of a listening socket: a non-blocking descriptor, or -1 with errno.
int accept_client(int listen_fd);
// What errno of a failed accept concerns: that one client, or the process (no descriptors or no
// memory left), which lasts.
bool concerns_one_client(int error);

// Owns `fd`. `slot`: see Connection.
std::unique_ptr<Connection> open_connection(int fd, std::shared_ptr<void> slot);

// One attempt to say 503 on a connection over the limit.
void refuse(Connection& connection);

// The end of a connection whose answer has been sent. The kernel drops what was sent when a socket
// with unread input is closed: so first nothing more is sent, then what comes is thrown away until
// the client closes too.
void begin_lingering(Connection& connection);
// Throws away what has come. False when the client has closed, or has sent more than is waited
// for; `num_drained` counts it.
bool drain(Connection& connection, size_t& num_drained);

}  // namespace ember
