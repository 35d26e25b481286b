// SPDX-License-Identifier: Apache-2.0
// One HTTP answer in the making: what the hub needs to know of it.
#pragma once

#include <string>
#include <vector>

#include "ember/base/result.h"
#include "ember/scheduler/request.h"

namespace ember {

// Made on a pool thread, then used by the hub's thread alone. Functions append to `out` the exact
// bytes to send next (status line, headers and transfer framing included).
class Response {
 public:
  virtual ~Response() = default;

  // Called once, before the requests are submitted. A stream sends its head; a whole answer
  // nothing.
  virtual void start(std::string& out) = 0;
  // One event of one of its requests. May put ids into `cancels` whose further tokens are not
  // wanted (a stop string came).
  virtual void on_event(const TokenOutput& event, std::string& out,
                        std::vector<RequestId>& cancels) = 0;
  // Ends the answer before its time (finished() afterwards): with an error status, or as the last
  // event of a stream that has begun.
  virtual void fail(const Error& error, std::string& out) = 0;
  // The client is gone; nothing can be sent any more. For the books.
  virtual void on_disconnect() = 0;
  // Shows a waiting client that the server is alive, where the format has a way to (an SSE
  // comment).
  virtual void keep_alive(std::string& out) = 0;

  virtual bool finished() const = 0;         // everything has been appended
  virtual bool keep_connection() const = 0;  // the connection may carry another request afterwards
  virtual int status() const = 0;            // for the access log; 0 before it is known
  // For the access log: "METHOD path request-id", printable.
  virtual const std::string& access_line() const = 0;
};

}  // namespace ember
