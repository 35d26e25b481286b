// SPDX-License-Identifier: Apache-2.0
#include "api/template_fields.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ember {
namespace {

// The message of the fault that `read` finds in the field; "" when there is none.
std::string fault_of(Json (*read)(FieldReader&), const char* name, const Json& value) {
  const Json body = {{name, value}};
  FieldReader fields(body);
  const Json found = read(fields);
  if (!fields.ok()) return fields.error().message;
  EXPECT_EQ(found, value);
  return "";
}

TEST(TemplateFields, WhatIsNotGivenIsEmpty) {
  const Json body = {{"documents", nullptr}};
  FieldReader fields(body);
  EXPECT_TRUE(read_documents(fields).is_null());
  EXPECT_EQ(read_template_kwargs(fields), Json::object());
  EXPECT_TRUE(fields.ok());
}

TEST(TemplateFields, DocumentsAreObjectsOfStrings) {
  const auto fault = [](const Json& value) { return fault_of(read_documents, "documents", value); };
  EXPECT_EQ(fault(Json::array({{{"title", "t"}, {"text", "x"}}})), "");
  EXPECT_EQ(fault("x"), "documents must be a list, not a string.");
  EXPECT_EQ(fault(Json::array()), "documents must hold 1 to 1024 documents.");
  EXPECT_EQ(fault(Json(1025, Json{{"text", "x"}})), "documents must hold 1 to 1024 documents.");
  for (const Json& document : {Json(5), Json::object(), Json{{"text", 5}}})
    EXPECT_EQ(fault(Json::array({document})),
              "documents must hold objects of strings, e.g. title and text.");
}

TEST(TemplateFields, KwargsAreScalarsOfTheClientsOwn) {
  const auto fault = [](const Json& value) {
    return fault_of(read_template_kwargs, "chat_template_kwargs", value);
  };
  EXPECT_EQ(fault({{"enable_thinking", false}, {"style", "short"}}), "");
  EXPECT_EQ(fault(5), "chat_template_kwargs must be an object of at most 64 scalars.");
  const std::string refused =
      "chat_template_kwargs must hold scalars only, and none of the server's own variables.";
  EXPECT_EQ(fault({{"tools", 1}}), refused);
  EXPECT_EQ(fault({{"a", Json::array()}}), refused);
}

}  // namespace
}  // namespace ember
