// SPDX-License-Identifier: Apache-2.0
#include "ember/server/routes.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "admin/access.h"
#include "admin/admin.h"
#include "admin/page.h"
#include "admin/status.h"
#include "api/error_answer.h"
#include "api/generate.h"
#include "api/generation.h"
#include "embedded.h"

namespace ember {

namespace {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json model_card(const ApiContext& context, const std::string& name) {
  return {{"id", name},
          {"object", "model"},
          {"created", context.started},
          {"owned_by", "ember"},
          {"max_model_len", context.model.info.max_model_len}};
}

Result<Json> list_models(const ApiContext& context) {
  Json list = Json::array();
  for (const std::string& name : context.model.info.names)
    list.push_back(model_card(context, name));
  return Json{{"object", "list"}, {"data", list}};
}

Result<Json> show_model(const ApiContext& context, const std::string& name) {
  if (const Result<void> known = check_model(context.model, name); !known.ok())
    return known.error();
  return model_card(context, name);
}

// {"prompt"} or {"messages"} to ids.
Result<std::vector<int32_t>> tokenize(ApiContext& context, const Json& body) {
  FieldReader fields(body);
  const Result<void> model = check_model(context.model, fields.text("model", SIZE_MAX, ""));
  const bool special = fields.boolean("add_special_tokens", true);
  if (!fields.has("prompt") && !fields.has("messages"))
    fields.fail("prompt", "is missing, and so is messages.", "invalid_type");
  const std::string prompt = fields.text("prompt", SIZE_MAX, "");
  if (!fields.ok()) return fields.error();
  if (!model.ok()) return model.error();
  if (fields.has("prompt"))
    return context.model.tokenizer->encode(prompt, {.add_special_tokens = special});
  ChatRequest request;
  if (const Result<void> read = read_conversation(fields, request); !read.ok()) return read.error();
  Result<ChatPrompt> rendered = render_chat(context.model, request);
  if (!rendered.ok()) return rendered.error();
  return std::move(rendered.value().ids);
}

Result<Json> answer_tokenize(ApiContext& context, const Json& body) {
  const Result<std::vector<int32_t>> ids = tokenize(context, body);
  if (!ids.ok()) return ids.error();
  return Json{{"count", ids.value().size()},
              {"max_model_len", context.model.info.max_model_len},
              {"tokens", ids.value()}};
}

Result<Json> answer_detokenize(ApiContext& context, const Json& body) {
  FieldReader fields(body);
  const Result<void> model = check_model(context.model, fields.text("model", SIZE_MAX, ""));
  if (!fields.has("tokens")) fields.fail("tokens", "is missing.", "invalid_type");
  const std::vector<int32_t> ids =
      fields.ids("tokens", SIZE_MAX, context.model.tokenizer->vocab_size());
  if (!fields.ok()) return fields.error();
  if (!model.ok()) return model.error();
  const Result<std::string> text = context.model.tokenizer->decode(ids, false);
  if (!text.ok()) return text.error();
  return Json{{"prompt", text.value()}};
}

Result<Json> answer_render(ApiContext& context, const Json& body) {
  const Result<ChatRequest> request = parse_chat(body, context.model.info, context.limits);
  if (!request.ok()) return request.error();
  if (const Result<void> known = check_model(context.model, request.value().params.model);
      !known.ok())
    return known.error();
  const Result<ChatPrompt> prompt = render_chat(context.model, request.value());
  if (!prompt.ok()) return prompt.error();
  return Json{{"prompt", prompt.value().text}, {"prompt_token_ids", prompt.value().ids}};
}

void answer_json(std::string body, Exchange& exchange) {
  exchange.response().set_content(std::move(body), "application/json");
}

// An endpoint that answers JSON with JSON at once.
HttpServer::Handler of_body(ApiContext& context, Result<Json> (*answer)(ApiContext&, const Json&),
                            bool may_be_empty = false) {
  return [&context, answer, may_be_empty](Exchange& exchange) {
    const std::string& text = exchange.request().body;
    const Result<Json> body = text.empty() && may_be_empty ? Json::object() : parse_body(text);
    const Result<Json> result = body.ok() ? answer(context, body.value()) : body;
    if (!result.ok()) return answer_error(context, result.error(), exchange);
    answer_json(dump(result.value()), exchange);
  };
}

// An endpoint whose answer the hub writes.
HttpServer::Handler generating(ApiContext& context, Result<void> (*start)(ApiContext&, Exchange&)) {
  return [&context, start](Exchange& exchange) {
    if (const Result<void> started = start(context, exchange); !started.ok()) {
      answer_error(context, started.error(), exchange);
      context.model.metrics->answered(exchange.response().status);
    }
  };
}

// A description of the API.
HttpServer::Handler document(const ApiContext& context, std::string_view text) {
  constexpr std::string_view kMark = "@VERSION@";
  std::string body(text);
  body.replace(body.find(kMark), kMark.size(), context.version);
  return [body](Exchange& exchange) { answer_json(body, exchange); };
}

void add_health_routes(HttpServer& server, ApiContext& context) {
  const auto alive = [&context](Exchange& exchange) {
    answer_json(dump({{"status", state_name(context)}}), exchange);
  };
  server.route("GET", "/livez", alive);
  server.route("GET", "/health", alive);
  server.route("GET", "/readyz", [&context](Exchange& exchange) {
    exchange.response().status = is_ready(context) ? 200 : 503;
    answer_json(dump({{"status", state_name(context)}}), exchange);
  });
}

// Answered in every state: they say which one it is, and what the server is.
bool is_informative(const std::string& path) {
  return path == "/" || path == "/status" || path == "/version" || path == "/openapi.json";
}

// True, with the answer, when it is an error.
template <class T>
bool refused(const ApiContext& context, Exchange& exchange, const Result<T>& result) {
  if (!result.ok()) answer_error(context, result.error(), exchange);
  return !result.ok();
}

// An endpoint of which the answer depends on the path at most.
HttpServer::Handler of_path(ApiContext& context,
                            const std::function<Result<Json>(const std::string& match)>& answer) {
  return [&context, answer](Exchange& exchange) {
    const Result<Json> result = answer(exchange.path_parameter());
    if (!result.ok()) return answer_error(context, result.error(), exchange);
    answer_json(dump(result.value()), exchange);
  };
}

}  // namespace

void add_routes(HttpServer& server, ApiContext& context) {
  server.set_before([&context](Exchange& exchange) {
    if (refused(context, exchange, authenticate(context, exchange.request()))) return true;
    if (is_health(exchange.request().path) || is_informative(exchange.request().path)) return false;
    return refused(context, exchange, check_ready(context));
  });
  server.route("POST", "/v1/chat/completions", generating(context, start_chat));
  server.route("POST", "/v1/completions", generating(context, start_completion));
  server.route("POST", "/v1/messages", generating(context, start_messages));
  server.route("POST", "/v1/responses", generating(context, start_responses));
  server.route("POST", "/v1/messages/count_tokens", of_body(context, count_message_tokens));
  server.route("POST", "/v1/chat/completions/render", of_body(context, answer_render));
  server.route("POST", "/tokenize", of_body(context, answer_tokenize));
  server.route("POST", "/detokenize", of_body(context, answer_detokenize));
  server.route("GET", "/v1/models",
               of_path(context, [&context](const std::string&) { return list_models(context); }));
  server.route("GET", "/v1/models/{model}", of_path(context, [&context](const std::string& name) {
                 return show_model(context, name);
               }));
  server.route("GET", "/version", of_path(context, [&context](const std::string&) {
                 return Json{{"version", context.version}};
               }));
  server.route("GET", "/status",
               of_path(context, [&context](const std::string&) { return status_json(context); }));
  server.route("GET", "/openapi.json", document(context, kOpenApi));
  server.route("GET", "/", [](Exchange& exchange) { answer_page(exchange.response()); });
  add_health_routes(server, context);
}

void add_admin_routes(HttpServer& server, ApiContext& context) {
  server.set_before([&context](Exchange& exchange) {
    return refused(context, exchange, check_origin(exchange.request())) ||
           refused(context, exchange, authenticate(context, exchange.request()));
  });
  add_health_routes(server, context);
  server.route("GET", "/metrics", [&context](Exchange& exchange) {
    exchange.response().set_content(context.metrics->text(),
                                    "text/plain; version=0.0.4; charset=utf-8");
  });
  server.route("GET", "/openapi.json", document(context, kAdminOpenApi));
  server.route("GET", "/admin/requests",
               of_path(context, [&context](const std::string&) { return list_requests(context); }));
  server.route("GET", "/admin/requests/{id}", of_path(context, [&context](const std::string& id) {
                 return explain_request(context, id);
               }));
  server.route(
      "DELETE", "/admin/requests/{id}",
      of_path(context, [&context](const std::string& id) { return abort_request(context, id); }));
  server.route("POST", "/admin/drain",
               of_path(context, [&context](const std::string&) { return drain(context); }));
  server.route("POST", "/admin/reload", of_body(context, reload, true));
}

}  // namespace ember
