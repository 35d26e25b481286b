// Sockets: listening ones, and non-blocking reads and writes that say what happened.
#pragma once

#include <string>
#include <string_view>

#include "ember/server/http_server.h"

namespace ember {

// A listening, non-blocking socket. Throws StartError as HttpServer::bind says.
int open_listener(const HttpOptions& options);
// The port a listener got; 0 for a unix socket.
int port_of(int fd);

enum class Io { kDone, kAgain, kClosed };

// Sends what of data[sent..] the socket takes and advances `sent`. kDone: all of it.
Io send_some(int fd, std::string_view data, size_t& sent);
// Appends what has arrived, at most about max_bytes, to `input`. kAgain: nothing more for now; kClosed: end or error.
Io receive_some(int fd, std::string& input, size_t max_bytes);

// Makes a descriptor that a thread in epoll_wait can be woken by; wake() and drain() belong to it.
int make_event_fd();
void wake(int event_fd);
void drain(int event_fd);

}  // namespace ember
