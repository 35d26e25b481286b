// SPDX-License-Identifier: Apache-2.0
#include "ember/server/routes.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "admin/access.h"
#include "admin/admin.h"
#include "admin/page.h"
#include "admin/replicas.h"
#include "admin/status.h"
#include "api/dialect.h"
#include "api/error_answer.h"
#include "api/generate.h"
#include "api/tokenize.h"
#include "embedded.h"
#include "ember/server/api_context.h"
#include "ember/server/generation_services.h"
#include "ember/server/metrics.h"
#include "ember/server/model_registry.h"

namespace ember {

namespace {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json model_card(const ServedModel& model, const std::string& name, int64_t started) {
  return {{"id", name},
          {"object", "model"},
          {"created", started},
          {"owned_by", "ember"},
          {"max_model_len", model.info.max_model_len}};
}

Json list_models(const ModelRegistry& models, int64_t started) {
  Json list = Json::array();
  for (const ModelRef& model : models.all())
    for (const std::string& name : model->info.names)
      list.push_back(model_card(*model, name, started));
  return Json{{"object", "list"}, {"data", list}};
}

void answer_json(std::string body, Exchange& exchange) {
  exchange.response().set_content(std::move(body), "application/json");
}

void answer(const GenerationServices& services, const Result<Json>& result, Exchange& exchange) {
  if (!result.ok()) return answer_error(services, result.error(), exchange);
  answer_json(dump(result.value()), exchange);
}

using ModelAnswer = Result<Json> (*)(const ServedModel&, const ParamLimits&, const Json& body);

// An endpoint that answers JSON with JSON at once, for the model that the body names.
HttpServer::Handler of_body(const GenerationServices& services, ModelAnswer model_answer) {
  return [&services, model_answer](Exchange& exchange) {
    const Result<Json> body = parse_body(exchange.request().body);
    if (!body.ok()) return answer_error(services, body.error(), exchange);
    const Result<ModelRef> model = find_model(services.models, exchange.principal(), body.value());
    if (!model.ok()) return answer_error(services, model.error(), exchange);
    answer(services, model_answer(*model.value(), services.limits, body.value()), exchange);
  };
}

// An order of the operator's, in JSON, about models.
HttpServer::Handler ordering(const GenerationServices& services, const ModelRegistry& models,
                             Result<Json> (*order)(const ModelRegistry&, const Json&)) {
  return [&services, &models, order](Exchange& exchange) {
    const Result<Json> body = parse_body(exchange.request().body);
    answer(services, body.ok() ? order(models, body.value()) : body, exchange);
  };
}

// An endpoint whose answer the hub writes.
HttpServer::Handler generating(GenerationServices& services, const Dialect& dialect) {
  return [&services, &dialect](Exchange& exchange) {
    const Result<void> started = start_generation(dialect, services, exchange);
    if (started.ok()) return;
    answer_error(services, started.error(), exchange);
    // Not every error has come as far as to a model.
    if (const Result<ModelRef> model = services.models.find("", exchange.principal()); model.ok())
      model.value()->metrics->answered(exchange.response().status);
  };
}

// A description of the API.
HttpServer::Handler document(const std::string& version, std::string_view text) {
  constexpr std::string_view kMark = "@VERSION@";
  std::string body(text);
  body.replace(body.find(kMark), kMark.size(), version);
  return [body](Exchange& exchange) { answer_json(body, exchange); };
}

void add_health_routes(HttpServer& server, ApiContext& context) {
  const auto alive = [&context](Exchange& exchange) {
    answer_json(dump({{"status", state_name(context.status, context.models)}}), exchange);
  };
  server.route("GET", "/livez", alive);
  server.route("GET", "/health", alive);
  server.route("GET", "/readyz", [&context, alive](Exchange& exchange) {
    exchange.response().status = is_ready(context.status, context.models) ? 200 : 503;
    alive(exchange);
  });
}

// Answered in every state: they say which one it is, and what the server is.
bool is_informative(const std::string& path) {
  return path == "/" || path == "/status" || path == "/version" || path == "/openapi.json";
}

// True, with the answer, when it is an error.
bool refused(const ApiContext& context, const Result<void>& result, Exchange& exchange) {
  if (!result.ok()) answer_error(context.generation, result.error(), exchange);
  return !result.ok();
}

// The same for who asks; the exchange knows it from then on.
bool unknown(const ApiContext& context, Exchange& exchange) {
  Result<Principal> principal = authenticate(context.keys, exchange.request());
  if (!principal.ok()) return refused(context, principal.error(), exchange);
  exchange.set_principal(std::move(principal).value());
  return false;
}

// An endpoint of which the answer depends on the path at most.
HttpServer::Handler of_path(const GenerationServices& services,
                            const std::function<Result<Json>(const std::string& match)>& find) {
  return [&services, find](Exchange& exchange) {
    answer(services, find(exchange.path_parameter()), exchange);
  };
}

}  // namespace

void add_routes(HttpServer& server, ApiContext& context) {
  server.set_before([&context](Exchange& exchange) {
    if (unknown(context, exchange)) return true;
    if (is_health(exchange.request().path) || is_informative(exchange.request().path)) return false;
    return refused(context, check_ready(context.status), exchange);
  });
  GenerationServices& services = context.generation;
  const ModelRegistry& models = context.models;
  const ServerStatus& status = context.status;
  server.route("POST", "/v1/chat/completions", generating(services, kChatDialect));
  server.route("POST", "/v1/completions", generating(services, kCompletionDialect));
  server.route("POST", "/v1/messages", generating(services, kMessagesDialect));
  server.route("POST", "/v1/responses", generating(services, kResponsesDialect));
  server.route("POST", "/v1/messages/count_tokens", of_body(services, answer_count_tokens));
  server.route("POST", "/v1/chat/completions/render", of_body(services, answer_render));
  server.route("POST", "/tokenize", of_body(services, answer_tokenize));
  server.route("POST", "/detokenize", of_body(services, answer_detokenize));
  server.route("GET", "/v1/models", of_path(services, [&models, &status](const std::string&) {
                 return list_models(models, status.started);
               }));
  server.route("GET", "/v1/models/{model}", [&](Exchange& exchange) {
    const std::string& name = exchange.path_parameter();
    const Result<ModelRef> model = models.find(name, exchange.principal());
    answer(
        services,
        model.ok() ? Result<Json>(model_card(*model.value(), name, status.started)) : model.error(),
        exchange);
  });
  server.route("GET", "/version", of_path(services, [&status](const std::string&) {
                 return Json{{"version", status.version}};
               }));
  server.route("GET", "/status", of_path(services, [&models, &status](const std::string&) {
                 return status_json(status, models);
               }));
  server.route("GET", "/openapi.json", document(status.version, kOpenApi));
  server.route("GET", "/", [](Exchange& exchange) { answer_page(exchange.response()); });
  add_health_routes(server, context);
}

void add_admin_routes(HttpServer& server, ApiContext& context) {
  server.set_before([&context](Exchange& exchange) {
    return refused(context, check_origin(exchange.request()), exchange) ||
           unknown(context, exchange);
  });
  add_health_routes(server, context);
  const GenerationServices& services = context.generation;
  server.route("GET", "/metrics", [&context](Exchange& exchange) {
    exchange.response().set_content(context.metrics.text() + replica_metrics(context.models),
                                    "text/plain; version=0.0.4; charset=utf-8");
  });
  server.route("GET", "/openapi.json", document(context.status.version, kAdminOpenApi));
  server.route("GET", "/admin/requests", of_path(services, [&context](const std::string&) {
                 return list_requests(context.models, context.requests);
               }));
  server.route("GET", "/admin/requests/{id}", of_path(services, [&context](const std::string& id) {
                 return explain_request(context.models, context.requests, id);
               }));
  server.route("DELETE", "/admin/requests/{id}",
               of_path(services, [&context](const std::string& id) {
                 return abort_request(context.hub, context.requests, id);
               }));
  server.route("GET", "/admin/replicas", of_path(services, [&context](const std::string&) {
                 return list_replicas(context.models);
               }));
  server.route("POST", "/admin/replicas/restart",
               ordering(services, context.models, restart_replica));
  server.route("POST", "/admin/routing", ordering(services, context.models, set_routing));
  server.route("POST", "/admin/drain", of_path(services, [&context](const std::string&) {
                 return drain(context.status, context.hub);
               }));
  server.route("POST", "/admin/reload", [&context](Exchange& exchange) {
    const std::string& text = exchange.request().body;
    const Result<Json> body = text.empty() ? Json::object() : parse_body(text);
    answer(context.generation,
           body.ok() ? reload(context.keys, context.reload_keys, body.value()) : body, exchange);
  });
}

}  // namespace ember
