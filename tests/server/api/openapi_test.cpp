// SPDX-License-Identifier: Apache-2.0
// The documents at /openapi.json name the routes that there are, and no others.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "embedded.h"
#include "ember/server/json_reader.h"
#include "ember/server/routes.h"
#include "server/api_parts.h"

namespace ember {
namespace {

using Routes = std::set<std::string>;

Routes served(void (*add)(HttpServer&, ApiContext&)) {
  HttpServer server{HttpOptions{}};
  ApiParts parts;
  add(server, parts.context);
  Routes all;
  for (const auto& [method, path] : server.routes())
    EXPECT_TRUE(all.insert(method + " " + path).second) << path;
  return all;
}

Routes documented(std::string_view text) {
  Routes all;
  const Json document = Json::parse(text);
  for (const auto& [path, operations] : document["paths"].items())
    for (const auto& [verb, operation] : operations.items()) {
      if (verb == "parameters") continue;
      std::string method = verb;
      for (char& c : method) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      all.insert(method + " " + path);
    }
  return all;
}

TEST(OpenApi, NamesEveryRouteOfTheMainListener) {
  EXPECT_EQ(documented(kOpenApi), served(add_routes));
}
TEST(OpenApi, NamesEveryRouteOfTheAdminListener) {
  EXPECT_EQ(documented(kAdminOpenApi), served(add_admin_routes));
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  for (const std::string_view text : {kOpenApi, kAdminOpenApi}) {
    const Json document = Json::parse(text);
    const std::function<void(const Json&)> visit = [&](const Json& value) {
      if (value.is_object() && value.contains("$ref")) {
        const auto target = value["$ref"].get<std::string>();
        EXPECT_TRUE(document.contains(Json::json_pointer(target.substr(1)))) << target;
      }
      if (value.is_structured())
        for (const Json& inner : value) visit(inner);
    };
    visit(document);
  }
}

// Whatever reads a field can be asked for it: the document knows all that the parser knows.
TEST(OpenApi, EveryParameterOfARequestIsDescribed) {
  const Json document = Json::parse(kOpenApi);
  const Json& chat = document["components"]["schemas"]["ChatRequest"]["properties"];
  for (const char* name : {"model",
                           "messages",
                           "max_tokens",
                           "max_completion_tokens",
                           "n",
                           "stop",
                           "seed",
                           "temperature",
                           "top_p",
                           "top_k",
                           "min_p",
                           "logit_bias",
                           "logprobs",
                           "tools",
                           "tool_choice",
                           "response_format",
                           "structured_outputs",
                           "guided_json",
                           "guided_regex",
                           "guided_choice",
                           "guided_grammar",
                           "stream_options",
                           "cache_salt",
                           "priority",
                           "timeout",
                           "prompt_logprobs",
                           "return_token_ids",
                           "user",
                           "metadata"})
    EXPECT_TRUE(chat.contains(name)) << name;
}

}  // namespace
}  // namespace ember
