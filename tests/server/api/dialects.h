// SPDX-License-Identifier: Apache-2.0
// Runs a dialect from a request's body to the body of an answer.
#pragma once

#include <gtest/gtest.h>

#include "api/dialect.h"
#include "server/api/demo_model.h"
#include "server/api/requests.h"

namespace ember {

// The body of an answer that says "A fox."
inline Json fox_answer(const Dialect& dialect, const Json& body) {
  const ServedModel model = demo_model();
  Result<Generation> generation = dialect.prepare(model, {}, body);
  EXPECT_TRUE(generation.ok()) << fault(generation);
  const auto writer = dialect.make_writer({.id = dialect.id_prefix + "1", .model = "demo"},
                                          *model.tokenizer, body, generation.value());
  AnswerEvent event = last_event("A fox.", {});
  event.first = true;
  return Json::parse(writer->whole({event}, some_usage(3)));
}

// The field that the dialect finds fault with.
inline std::string field_at_fault(const Dialect& dialect, const Json& body) {
  return dialect.prepare(demo_model(), {}, body).error().param;
}

}  // namespace ember
