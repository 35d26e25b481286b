// SPDX-License-Identifier: Apache-2.0
#include "api/answer_event.h"

#include <iterator>
#include <utility>

namespace ember {

namespace {

void move_to_end(std::vector<TokenEntry>& list, std::vector<TokenEntry>& more) {
  list.insert(list.end(), std::make_move_iterator(more.begin()),
              std::make_move_iterator(more.end()));
}

}  // namespace

void AnswerEvent::append(AnswerEvent next) {
  if (next.first) {
    choice = next.choice;
    first = true;
  }
  ChatParts::append(next);
  move_to_end(prompt_tokens, next.prompt_tokens);
  move_to_end(tokens, next.tokens);
  if (next.finish) finish = std::move(next.finish);
}

}  // namespace ember
