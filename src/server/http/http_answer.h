// SPDX-License-Identifier: Apache-2.0
// The bytes of answers: those of handlers, and those that the hub sends.
#pragma once

#include <string>
#include <string_view>

#include "ember/base/result.h"
#include "ember/server/exchange.h"
#include "http/framing.h"

namespace ember {

// "Not Found" for 404.
const char* reason_phrase(int status);

// The whole answer of a handler that has not taken the connection. Compresses the body for clients
// that accept it.
std::string response_bytes(Exchange& exchange);

// A whole answer with an error that ends the connection. more_headers: whole lines with their ends.
std::string error_answer(int status, const Error& error, const std::string& request_id,
                         const std::string& more_headers = {});
std::string framing_error_answer(const FramingError& error, const std::string& request_id);

struct AnswerHead {
  std::string request_id;
  bool keep_connection = true;
  bool chunked = true;  // of a stream; false: it ends with the connection
};

// A whole answer with a JSON body. more_headers: whole lines with their ends.
std::string json_answer(int status, const AnswerHead& head, const std::string& body,
                        const std::string& more_headers = {});
// The head of a stream of server-sent events.
std::string stream_head(const AnswerHead& head, const std::string& more_headers = {});
// One piece of the stream's body.
std::string stream_piece(const AnswerHead& head, std::string_view bytes);
std::string stream_end(const AnswerHead& head);

}  // namespace ember
