// SPDX-License-Identifier: Apache-2.0
// Anthropic's Messages.
#include <utility>

#include "api/dialect.h"

namespace ember {

namespace {

Result<Generation> prepare(const ServedModel& model, const ParamLimits& limits, const Json& body) {
  Result<ChatRequest> request = parse_messages_request(body, model.info, limits);
  if (!request.ok()) return request.error();
  return prepare_chat(model, std::move(request).value());
}

std::unique_ptr<AnswerWriter> make_writer(const AnswerName& name, const Tokenizer&, const Json&,
                                          Generation&) {
  return make_messages_writer(name);
}

}  // namespace

const Dialect kMessagesDialect = {"msg_", prepare, make_writer};

}  // namespace ember
