// The messages and documents of a chat request.
#pragma once

#include "ember/base/result.h"
#include "ember/server/json_reader.h"
#include "ember/text/chat_template.h"

namespace ember {

// "messages", checked: roles, contents as text or lists of text parts, calls with the JSON text of an object (or the object) as their
// arguments, ids of tool messages.
Result<Json> parse_messages(FieldReader& fields);

// "documents", for templates that show some: a list of objects of strings; null: none.
Json read_documents(FieldReader& fields);
// "chat_template_kwargs": scalars that the template may read.
Json read_template_kwargs(FieldReader& fields);

}  // namespace ember
