// SPDX-License-Identifier: Apache-2.0
// One HTTP request and its answer, as a handler sees them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ember/server/connection.h"
#include "ember/server/principal.h"

namespace ember {

// Of ASCII letters, as the names of headers are compared.
bool equal_ignoring_case(std::string_view a, std::string_view b);
struct LessIgnoringCase {
  bool operator()(std::string_view a, std::string_view b) const;
};

struct HttpRequest {
  std::string method;  // "GET"
  std::string target;  // as it was sent, visible ASCII: "/v1/models/a%20b?x=1"
  std::string path;    // of the target, percent-decoded, any bytes: "/v1/models/a b"
  std::vector<std::pair<std::string, std::string>> headers;  // in order, values trimmed
  std::string body;                                          // transfer coding removed
  bool http_1_0 = false;                                     // its answer may not be chunked
  bool keep_alive = false;  // the client allows another request on the connection

  // The first header of that name (any case); nullptr when there is none.
  const std::string* header(std::string_view name) const;
  // The values of all headers of that name. They point into `headers`.
  std::vector<std::string_view> header_values(std::string_view name) const;
};

// What a handler answers. The server adds Content-Length, X-Request-Id, Request-Id and Connection.
struct HttpResponse {
  int status = 200;
  std::map<std::string, std::string, LessIgnoringCase> headers;  // without CR and LF
  std::string body;
  bool close = false;  // the connection ends after this answer, whatever the client wants

  void set_content(std::string content, const std::string& type);
};

// Used by one thread. It lives as long as its handler runs.
class Exchange {
 public:
  // Fills request.path.
  Exchange(HttpRequest request, std::string request_id, std::unique_ptr<Connection> connection);

  const HttpRequest& request() const { return request_; }
  HttpResponse& response() { return response_; }
  // The client's X-Request-Id if it is well-formed, else a new one. The answer carries it.
  const std::string& request_id() const { return request_id_; }
  // Who asks; known once the key has been checked.
  const Principal& principal() const { return principal_; }
  void set_principal(Principal principal) { principal_ = std::move(principal); }
  // What the {name} at the end of the route's path stands for in this request; else empty.
  const std::string& path_parameter() const { return path_parameter_; }
  void set_path_parameter(std::string value) { path_parameter_ = std::move(value); }

  // Whether the client lets the connection carry another request after this answer.
  bool keep_alive() const { return request_.keep_alive; }
  // Takes the connection away, at most once: `response` is dropped then, and the new owner writes
  // the whole answer and its line in the access log.
  std::unique_ptr<Connection> take();
  bool taken() const { return connection_ == nullptr; }

 private:
  HttpRequest request_;
  HttpResponse response_;
  const std::string request_id_;
  std::string path_parameter_;
  Principal principal_;
  std::unique_ptr<Connection> connection_;
};

// Fills the response, or takes the connection. Runs on a thread of the pool, which must not wait
// for a client.
using Handler = std::function<void(Exchange&)>;

}  // namespace ember
