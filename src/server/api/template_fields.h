// SPDX-License-Identifier: Apache-2.0
// Fields of a chat request that are only for the chat template.
#pragma once

#include "ember/server/json_reader.h"

namespace ember {

// "documents": a list of objects of strings; null: not given.
Json read_documents(FieldReader& fields);
// "chat_template_kwargs": an object of scalars, none of which is a variable of the server's own.
Json read_template_kwargs(FieldReader& fields);

}  // namespace ember
