// SPDX-License-Identifier: Apache-2.0
#include "api/template_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace ember {

namespace {

constexpr size_t kMaxDocuments = 1024, kMaxKwargs = 64;

}  // namespace

Json read_documents(FieldReader& fields) {
  const Json* documents = fields.value("documents");
  if (documents == nullptr) return nullptr;
  const auto is_document = [](const Json& document) {
    return document.is_object() && !document.empty() &&
           std::all_of(document.begin(), document.end(),
                       [](const Json& value) { return value.is_string(); });
  };
  if (!documents->is_array())
    fields.fail("documents", fmt::format("must be a list, not {}.", type_name(*documents)),
                "invalid_type");
  else if (documents->empty() || documents->size() > kMaxDocuments)
    fields.fail("documents", fmt::format("must hold 1 to {} documents.", kMaxDocuments));
  else if (!std::all_of(documents->begin(), documents->end(), is_document))
    fields.fail("documents", "must hold objects of strings, e.g. title and text.", "invalid_type");
  return *documents;
}

Json read_template_kwargs(FieldReader& fields) {
  static constexpr std::string_view kReserved[] = {"messages",
                                                   "tools",
                                                   "documents",
                                                   "add_generation_prompt",
                                                   "continue_final_message",
                                                   "tokenize",
                                                   "chat_template",
                                                   "bos_token",
                                                   "eos_token",
                                                   "return_dict",
                                                   "return_tensors"};
  const Json* kwargs = fields.value("chat_template_kwargs");
  if (kwargs == nullptr) return Json::object();
  if (!kwargs->is_object() || kwargs->size() > kMaxKwargs) {
    fields.fail("chat_template_kwargs",
                fmt::format("must be an object of at most {} scalars.", kMaxKwargs),
                "invalid_type");
    return Json::object();
  }
  for (const auto& [key, value] : kwargs->items())
    if (value.is_structured() ||
        std::find(std::begin(kReserved), std::end(kReserved), key) != std::end(kReserved))
      fields.fail("chat_template_kwargs",
                  "must hold scalars only, and none of the server's own variables.",
                  "unsupported_parameter");
  return *kwargs;
}

}  // namespace ember
