// SPDX-License-Identifier: Apache-2.0
// What the requests of the other chat APIs have in common when they become chat completions.
#pragma once

#include <initializer_list>
#include <string>

#include "ember/server/json_reader.h"

namespace ember {

// The error that names the field at `path`, which the message begins with.
Error wrong(const std::string& path, const std::string& what,
            const std::string& code = "invalid_type");

bool is_text(const Json& object, const char* name);
// Of a part of a message, or the like; empty: it has none.
std::string type_of(const Json& part);

// To `chat`, what is the same in all of the APIs, and the fields of these names. A stream tells its
// counts as it goes.
void copy_fields(FieldReader& fields, Json& chat, std::initializer_list<const char*> names);

// The tools, each as `function_of` reads it. It calls fields.fail for one at `path` that is wrong.
void copy_tools(FieldReader& fields, Json& chat,
                Json (*function_of)(FieldReader& fields, const Json& tool,
                                    const std::string& path));

// The choice of the function of this name.
Json named_choice(const Json& name);

// The format of an answer by a schema.
Json schema_format(Json json_schema);

}  // namespace ember
