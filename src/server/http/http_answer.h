// SPDX-License-Identifier: Apache-2.0
// The bytes of answers that the hub sends.
#pragma once

#include <string>
#include <string_view>

namespace ember {

struct AnswerHead {
  std::string request_id;
  bool keep_connection = true;
  bool chunked = true;  // of a stream; false: it ends with the connection
};

// A whole answer with a JSON body. more_headers: whole lines with their ends.
std::string json_answer(int status, const AnswerHead& head, const std::string& body,
                        const std::string& more_headers = {});
// The head of a stream of server-sent events.
std::string stream_head(const AnswerHead& head);
// One piece of the stream's body.
std::string stream_piece(const AnswerHead& head, std::string_view bytes);
std::string stream_end(const AnswerHead& head);

}  // namespace ember
