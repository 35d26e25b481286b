// SPDX-License-Identifier: Apache-2.0
#include "api/generate.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "admin/retry_after.h"
#include "api/generation_response.h"
#include "api/sequences.h"
#include "ember/engine/admission.h"
#include "ember/server/hub.h"
#include "ember/server/request_log.h"
#include "http/access_log.h"

namespace ember {

namespace {

// Of all choices.
int64_t num_prompt_tokens(const Generation& generation) {
  int64_t count = 0;
  for (const std::vector<int32_t>& prompt : generation.prompts)
    count += static_cast<int64_t>(prompt.size()) * generation.params.n;
  return count;
}

AnswerName name_of(const ServedModel& model, const Dialect& dialect, const GenerationParams& params,
                   const std::string& request_id) {
  return {.id = dialect.id_prefix + request_id,
          .model = params.model.empty() ? model.info.names.front() : params.model,
          .created = std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count()};
}

GenerationAnswer::Options answer_options(const GenerationServices& services,
                                         const ServedModel& model, const Generation& generation,
                                         RequestId first) {
  return {.stream = generation.params.stream,
          .first_request = first,
          .choices_per_prompt = static_cast<size_t>(generation.params.n),
          .reasoning_counted = generation.form.text.reasoning.has_value(),
          .ignored = generation.params.ignored,
          .on_finished =
              [metrics = model.metrics, &requests = services.requests, first](int status) {
                metrics->answered(status);
                requests.end(first, status, Clock::now());
              },
          .retry_after = [&services] { return retry_after_now(services); }};
}

// The last checks, then hands everything over.
Result<void> hand_over(const Dialect& dialect, GenerationServices& services, const ModelRef& model,
                       Exchange& exchange, const Json& body, Generation generation, Ticket ticket) {
  const std::string& request_id = exchange.request_id();
  const TimePoint arrival = Clock::now();
  const auto num_sequences = static_cast<int>(generation.num_choices());
  if (const Result<void> room = ticket.extend(num_sequences - 1, num_prompt_tokens(generation));
      !room.ok())
    return room.error();
  model->metrics->unknown_fields(generation.params.num_unknown_fields);
  model->metrics->ignored_fields(static_cast<int>(generation.params.ignored.size()));
  const RequestId first = services.next_request.fetch_add(static_cast<RequestId>(num_sequences),
                                                          std::memory_order_relaxed);
  Result<std::vector<RequestRef>> requests =
      make_requests(*model, generation, first, exchange.principal().tenant,
                    {.arrival = arrival,
                     .queue_timeout = services.queue_timeout,
                     .max_time = services.request_timeout});
  if (!requests.ok()) return requests.error();
  std::vector<Choice> choices = make_choices(*model, generation, first, arrival);
  const AnswerName name = name_of(*model, dialect, generation.params, request_id);
  auto sink = std::make_unique<HttpSink>(AnswerHead{.request_id = request_id,
                                                    .keep_connection = exchange.keep_alive(),
                                                    .chunked = !exchange.request().http_1_0});
  GenerationAnswer::Options options = answer_options(services, *model, generation, first);
  const bool stream = generation.params.stream;
  auto answer = std::make_unique<GenerationAnswer>(
      std::move(options), std::move(choices),
      dialect.make_writer(name, *model->tokenizer, body, generation), *sink, *model->metrics,
      std::move(ticket));
  std::unique_ptr<Connection> connection = exchange.take();
  services.requests.begin({.first_sequence = first,
                           .num_sequences = num_sequences,
                           .request_id = request_id,
                           .answer_id = name.id,
                           .path = exchange.request().path,
                           .client = connection->peer(),
                           .stream = stream,
                           .arrival = arrival});
  services.hub.adopt(
      std::move(connection),
      std::make_unique<GenerationResponse>(std::move(sink), std::move(answer),
                                           access_line(exchange.request(), request_id)),
      std::move(requests).value(), generator_of(model));
  return {};
}

}  // namespace

Result<void> start_generation(const Dialect& dialect, GenerationServices& services,
                              Exchange& exchange) {
  Result<Ticket> ticket = services.admission.reserve();
  if (!ticket.ok()) return ticket.error();
  const Result<Json> body = parse_body(exchange.request().body);
  if (!body.ok()) return body.error();
  const Result<ModelRef> model = find_model(services.models, exchange.principal(), body.value());
  if (!model.ok()) return model.error();
  Result<Generation> generation = dialect.prepare(*model.value(), services.limits, body.value());
  if (!generation.ok()) return generation.error();
  return hand_over(dialect, services, model.value(), exchange, body.value(),
                   std::move(generation).value(), std::move(ticket).value());
}

Result<ModelRef> find_model(const ModelRegistry& models, const Principal& principal,
                            const Json& body) {
  const auto name = body.find("model");
  const bool named = name != body.end() && name->is_string();
  return models.find(named ? name->get_ref<const std::string&>() : std::string(), principal);
}

}  // namespace ember
