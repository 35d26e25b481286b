// SPDX-License-Identifier: Apache-2.0
#include "api/chat_api.h"

#include <cctype>

namespace ember {

namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Where `word` stands alone in `text`, else npos.
size_t find_word(const std::string& text, const std::string& word) {
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const bool begins = at == 0 || !is_word(text[at - 1]);
    const size_t end = at + word.size();
    if (begins && (end == text.size() || !is_word(text[end]))) return at;
  }
  return std::string::npos;
}

}  // namespace

Error renamed(const ChatApi& api, Error error) {
  for (const auto& [chat, own] : api.names) {
    if (find_word(error.param, chat) != 0) continue;
    error.param.replace(0, chat.size(), own);
    if (const size_t at = find_word(error.message, chat); at != std::string::npos)
      error.message.replace(at, chat.size(), own);
    break;
  }
  return error;
}

std::string typed_event(const Json& event) {
  return "event: " + event["type"].get<std::string>() +
         "\ndata: " + event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
}

}  // namespace ember
