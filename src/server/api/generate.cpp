// SPDX-License-Identifier: Apache-2.0
#include "api/generate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "admin/access.h"
#include "api/chat_api.h"
#include "api/generation_answer.h"
#include "ember/base/splitmix64.h"
#include "ember/server/params.h"
#include "ember/text/banned_words.h"
#include "ember/text/tool_grammar.h"
#include "http/access_log.h"

namespace ember {

namespace {

// Requests without a seed of their own, and the choices of one request, draw differently.
uint64_t mix(uint64_t a, uint64_t b) { return splitmix64(a + kSplitMix64Step * b); }

// How many tokens may come after a prompt. param: the field that holds the prompt.
Result<int32_t> output_tokens(const GenerationParams& params, size_t prompt_tokens, int32_t context,
                              int32_t otherwise, const char* param) {
  const auto room = static_cast<int64_t>(context) - static_cast<int64_t>(prompt_tokens);
  if (prompt_tokens == 0) return invalid(param, fmt::format("{} holds no tokens.", param));
  if (room < 1)
    return invalid(
        param,
        fmt::format(
            "The prompt has {} tokens; the context of {} must hold them and at least one more.",
            prompt_tokens, context),
        "context_length_exceeded");
  const int64_t wanted =
      params.max_tokens.value_or(static_cast<int32_t>(std::min<int64_t>(room, otherwise)));
  if (wanted > room)
    return invalid(params.max_tokens_field,
                   fmt::format("{} prompt tokens and {} {} exceed the context of {}.",
                               prompt_tokens, params.max_tokens_field, wanted, context),
                   "context_length_exceeded");
  if (params.min_tokens > wanted)
    return invalid("min_tokens",
                   fmt::format("min_tokens must not be above the {} tokens that fit.", wanted));
  return static_cast<int32_t>(wanted);
}

Request make_request(const ApiContext& context, const AnswerSpec& spec,
                     const std::vector<int32_t>& prompt, int32_t max_tokens) {
  const GenerationParams& params = spec.params;
  Request request;
  request.prompt = prompt;
  request.sampling = params.sampling;
  request.max_tokens = max_tokens;
  request.min_tokens = params.min_tokens;
  request.stop_token_ids = params.stop_token_ids;
  // A complete answer ends, whatever was asked for: nothing else may follow. Before that an ignored
  // end is one held back.
  if (spec.grammar) request.constraint = spec.grammar;
  if (spec.grammar && params.ignore_eos) request.min_tokens = max_tokens;
  if (!params.ignore_eos || spec.grammar)
    request.stop_token_ids.insert(request.stop_token_ids.end(),
                                  context.model.info.eos_token_ids.begin(),
                                  context.model.info.eos_token_ids.end());
  std::sort(request.stop_token_ids.begin(), request.stop_token_ids.end());
  request.num_logprobs = std::max(params.num_logprobs, params.prompt_logprobs.value_or(-1));
  request.prompt_logprobs =
      params.prompt_logprobs || (!spec.echo.empty() && params.num_logprobs >= 0);
  request.cache_scope = {.tenant = spec.principal.tenant, .salt = params.cache_salt};
  request.priority = params.priority;
  request.arrival = spec.arrival;
  request.start_deadline = spec.arrival + context.queue_timeout;
  const Duration limit =
      params.timeout > 0
          ? std::chrono::duration_cast<Duration>(std::chrono::duration<double>(params.timeout))
          : context.request_timeout;
  request.deadline = spec.arrival + std::min(limit, context.request_timeout);
  return request;
}

Result<std::vector<Request>> make_requests(ApiContext& context, const AnswerSpec& spec,
                                           const std::vector<int32_t>& max_tokens) {
  std::vector<Request> requests;
  const GenerationParams& params = spec.params;
  const Tokenizer& tokenizer = *context.model.tokenizer;
  const Result<std::vector<std::vector<int32_t>>> banned =
      banned_sequences(tokenizer, params.bad_words);
  if (!banned.ok()) return banned.error();
  for (size_t p = 0; p < spec.prompts.size(); ++p) {
    for (int i = 0; i < params.n; ++i) {
      Request request = make_request(context, spec, spec.prompts[p], max_tokens[p]);
      request.id = spec.first_request + requests.size();
      const uint64_t base = params.seed ? static_cast<uint64_t>(*params.seed)
                                        : mix(context.model.info.seed, request.id);
      request.sampling.seed = mix(base, requests.size());
      if (!banned.value().empty())
        request.constraint = std::make_shared<BannedWordsSource>(
            banned.value(), tokenizer.vocab_size(), std::move(request.constraint));
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

AnswerSpec make_spec(ApiContext& context, Exchange& exchange, const GenerationParams& params,
                     const char* id_prefix) {
  AnswerSpec spec;
  const HttpRequest& request = exchange.request();
  spec.id = id_prefix + exchange.request_id();
  spec.model = params.model.empty() ? context.model.info.names.front() : params.model;
  spec.access_line = access_line(request, exchange.request_id());
  spec.created = std::chrono::duration_cast<std::chrono::seconds>(
                     std::chrono::system_clock::now().time_since_epoch())
                     .count();
  spec.head = {.request_id = exchange.request_id(), .keep_connection = exchange.keep_alive()};
  spec.params = params;
  spec.arrival = Clock::now();
  spec.tokenizer = context.model.tokenizer;
  spec.metrics = context.model.metrics.get();
  spec.context = &context;
  spec.path = request.path;
  return spec;
}

// The last checks, then hands everything over.
Result<void> hand_over(ApiContext& context, Exchange& exchange, AnswerSpec spec,
                       const std::vector<int32_t>& max_tokens,
                       std::unique_ptr<Response> (*make_answer)(AnswerSpec)) {
  const auto num_sequences = static_cast<int>(spec.prompts.size()) * spec.params.n;
  int64_t num_tokens = 0;
  for (const std::vector<int32_t>& prompt : spec.prompts)
    num_tokens += static_cast<int64_t>(prompt.size()) * spec.params.n;
  if (const Result<void> room = spec.ticket.extend(num_sequences - 1, num_tokens); !room.ok())
    return room.error();
  context.model.metrics->unknown_fields(spec.params.num_unknown_fields);
  spec.first_request = context.next_request.fetch_add(static_cast<RequestId>(num_sequences),
                                                      std::memory_order_relaxed);
  Result<std::vector<Request>> requests = make_requests(context, spec, max_tokens);
  if (!requests.ok()) return requests.error();
  std::unique_ptr<Connection> connection = exchange.take();
  context.requests.begin({.first_sequence = spec.first_request,
                          .num_sequences = num_sequences,
                          .request_id = spec.head.request_id,
                          .answer_id = spec.id,
                          .path = spec.path,
                          .client = connection->peer(),
                          .stream = spec.params.stream,
                          .arrival = spec.arrival});
  context.hub->adopt(std::move(connection), make_answer(std::move(spec)),
                     std::move(requests).value(), context.model.generator);
  return {};
}

// Text that cannot fit whatever its tokens are is not tokenized at all: that would take seconds.
// Normalizers may shorten a text, but not by much.
Result<void> check_length(const ApiContext& context, size_t bytes, const char* param) {
  constexpr size_t kSlack = 4;
  const size_t most = kSlack * static_cast<size_t>(context.model.info.max_model_len) *
                      context.model.tokenizer->max_token_bytes();
  if (bytes <= most) return {};
  return invalid(param,
                 fmt::format("{} has {} bytes, which cannot fit into the context of {} tokens.",
                             param, bytes, context.model.info.max_model_len),
                 "context_length_exceeded");
}

Result<std::vector<int32_t>> encode_prompt(const ApiContext& context,
                                           const CompletionParams& params,
                                           const CompletionParams::Prompt& prompt) {
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&prompt)) return *ids;
  const std::string& text = std::get<std::string>(prompt);
  if (const Result<void> fits = check_length(context, text.size(), "prompt"); !fits.ok())
    return fits.error();
  return context.model.tokenizer->encode(text, {.add_special_tokens = params.add_special_tokens});
}

Result<std::string> echo_text(const ApiContext& context, const CompletionParams::Prompt& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return *text;
  std::vector<int32_t> ids = std::get<std::vector<int32_t>>(prompt);
  std::erase_if(
      ids, [&](int32_t id) { return id >= context.model.tokenizer->vocab_size(); });  // no text
  return context.model.tokenizer->decode(ids, false);
}

// Null: the answer is free. reasoning_end: what ends the reasoning that comes first; empty: none
// does.
Result<std::shared_ptr<const Grammar>> compile_format(const ApiContext& context,
                                                      const std::optional<OutputFormat>& format,
                                                      const std::string& reasoning_end = {}) {
  if (!format) return std::shared_ptr<const Grammar>();
  if (reasoning_end.empty()) return context.model.grammars->compile(format->source, format->field);
  return context.model.grammars->compile(
      after_reasoning(format->source, reasoning_end, *context.model.tokenizer), format->field);
}

// Empty: the answer does not have to begin with reasoning.
std::string reasoning_end(const ChatText::Options& text) {
  const bool comes_first = text.reasoning && (text.reasoning_open || text.reasoning->always_open);
  return comes_first ? text.reasoning->end : "";
}

// How calls are found in the answer; nullopt: they are not looked for.
Result<std::optional<ToolParser::Options>> tool_options(ApiContext& context,
                                                        const ChatParams& params) {
  const ToolParams& tools = params.tools;
  if (tools.callable.empty()) return std::optional<ToolParser::Options>();
  if (params.format)
    return invalid(params.format->field,
                   params.format->field +
                       " is not possible with tools that may be called: set tool_choice to none.");
  if (!context.model.tool_dialect)
    return invalid("tools",
                   fmt::format("How this model writes tool calls is not known: leave tools out, "
                               "set tool_choice to none, or start the server with "
                               "--tool-call-parser ({}).",
                               fmt::join(tool_dialect_names(), ", ")),
                   "unsupported_parameter");
  ToolParser::Options options{
      .dialect = context.model.tool_dialect, .functions = {}, .parallel = tools.parallel};
  for (const ToolFunction& function : tools.callable) options.functions.push_back(function.name);
  options.id_seed = mix(static_cast<uint64_t>(Clock::now().time_since_epoch().count()),
                        context.next_request.load(std::memory_order_relaxed));
  return std::optional(std::move(options));
}

// What binds an answer that may call tools; null: nothing. Where calls are only possible, schemas
// that cannot be honoured bind nothing, and neither does a grammar where the model may reason
// first.
Result<std::shared_ptr<const Grammar>> compile_tools(const ApiContext& context,
                                                     const ToolParams& tools,
                                                     const ChatText::Options& text) {
  const std::string end = reasoning_end(text);
  if (!text.tools || (!tools.required && text.reasoning && end.empty()))
    return std::shared_ptr<const Grammar>();
  const ToolGrammarSpec spec{.dialect = text.tools->dialect,
                             .functions = tools.callable,
                             .required = tools.required,
                             .parallel = tools.parallel};
  GrammarSource source = tool_grammar(spec, *context.model.tokenizer);
  if (!end.empty()) source = after_reasoning(std::move(source), end, *context.model.tokenizer);
  Result<std::shared_ptr<const Grammar>> grammar = context.model.grammars->compile(source, "tools");
  if (!grammar.ok() && grammar.error().kind == ErrorKind::kInvalid && !tools.required)
    return std::shared_ptr<const Grammar>();
  return grammar;
}

// The prompt ends with the marker that begins reasoning.
bool opens_reasoning(const ApiContext& context, std::string_view prompt) {
  if (!context.model.reasoning_style) return false;
  const size_t end = prompt.find_last_not_of(" \n\r\t");
  return end != std::string_view::npos &&
         prompt.substr(0, end + 1).ends_with(context.model.reasoning_style->begin);
}

}  // namespace

Result<void> check_model(const ApiContext& context, const std::string& name) {
  const std::vector<std::string>& names = context.model.info.names;
  if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return {};
  return Error{ErrorKind::kNotFound,
               fmt::format("The model \"{}\" does not exist.", escape_for_log(name.substr(0, 128))),
               "model", "model_not_found"};
}

Result<ChatPrompt> render_chat(const ApiContext& context, const ChatInput& input) {
  if (context.model.chat_template == nullptr)
    return invalid("messages",
                   "The model has no chat template; use /v1/completions, or start the server with "
                   "--chat-template.",
                   "no_chat_template");
  size_t bytes = 0;
  const auto count = [&](const auto& self, const Json& value) -> void {
    if (value.is_string())
      bytes += value.get_ref<const std::string&>().size();
    else if (value.is_structured())
      for (const Json& item : value) self(self, item);
  };
  count(count, input.messages);
  if (const Result<void> fits = check_length(context, bytes, "messages"); !fits.ok())
    return fits.error();
  return context.model.chat_template->render(input);
}

namespace {

// api: null for chat completions themselves.
Result<void> start_chat_as(const ChatApi* api, ApiContext& context, Exchange& exchange) {
  Result<Principal> principal = authenticate(context, exchange.request());
  if (!principal.ok()) return principal.error();
  Result<Ticket> ticket = context.model.admission->reserve();
  if (!ticket.ok()) return ticket.error();
  const Result<Json> body = parse_body(exchange.request().body);
  if (!body.ok()) return body.error();
  const Result<Json> chat = api ? api->to_chat(body.value()) : body;
  if (!chat.ok()) return chat.error();
  const Result<ChatParams> params = parse_chat(chat.value(), context.model.info, context.limits);
  if (!params.ok()) return params.error();
  if (const Result<void> known = check_model(context, params.value().model); !known.ok())
    return known;
  const Result<std::optional<ToolParser::Options>> tools = tool_options(context, params.value());
  if (!tools.ok()) return tools.error();
  Result<ChatPrompt> prompt = render_chat(context, params.value().input);
  if (!prompt.ok()) return prompt.error();
  ChatText::Options text{.reasoning = context.model.reasoning_style,
                         .reasoning_open = opens_reasoning(context, prompt.value().text),
                         .tools = tools.value()};
  Result<std::shared_ptr<const Grammar>> grammar =
      text.tools ? compile_tools(context, params.value().tools, text)
                 : compile_format(context, params.value().format, reasoning_end(text));
  if (!grammar.ok()) return grammar.error();
  if (text.tools) text.tools->constrained = grammar.value() != nullptr;
  const int32_t limit = context.model.info.max_model_len;
  const Result<int32_t> max_tokens =
      output_tokens(params.value(), prompt.value().ids.size(), limit, limit, "messages");
  if (!max_tokens.ok()) return max_tokens.error();
  AnswerSpec spec =
      make_spec(context, exchange, params.value(), api ? api->id_prefix : "chatcmpl-");
  if (api) spec.format = api->make_format(body.value(), spec);
  spec.principal = std::move(principal).value();
  spec.ticket = std::move(ticket).value();
  spec.grammar = std::move(grammar).value();
  spec.chat_text = std::move(text);
  spec.prompts.push_back(std::move(prompt.value().ids));
  return hand_over(context, exchange, std::move(spec), {max_tokens.value()}, make_chat_answer);
}

Result<void> start_renamed(const ChatApi& api, ApiContext& context, Exchange& exchange) {
  Result<void> started = start_chat_as(&api, context, exchange);
  if (!started.ok()) return renamed(api, started.error());
  return started;
}

}  // namespace

Result<void> start_chat(ApiContext& context, Exchange& exchange) {
  return start_chat_as(nullptr, context, exchange);
}
Result<void> start_messages(ApiContext& context, Exchange& exchange) {
  return start_renamed(kMessagesApi, context, exchange);
}
Result<void> start_responses(ApiContext& context, Exchange& exchange) {
  return start_renamed(kResponsesApi, context, exchange);
}

Result<Json> count_message_tokens(ApiContext& context, const Json& body) {
  const Result<Json> chat = chat_of_counted_messages(body);
  if (!chat.ok()) return chat.error();
  const Result<ChatParams> params = parse_chat(chat.value(), context.model.info, context.limits);
  if (!params.ok()) return renamed(kMessagesApi, params.error());
  if (const Result<void> known = check_model(context, params.value().model); !known.ok())
    return known.error();
  const Result<ChatPrompt> prompt = render_chat(context, params.value().input);
  if (!prompt.ok()) return prompt.error();
  return Json{{"input_tokens", prompt.value().ids.size()}};
}

Result<void> start_completion(ApiContext& context, Exchange& exchange) {
  constexpr int32_t kDefaultTokens = 16;  // OpenAI's
  Result<Principal> principal = authenticate(context, exchange.request());
  if (!principal.ok()) return principal.error();
  Result<Ticket> ticket = context.model.admission->reserve();
  if (!ticket.ok()) return ticket.error();
  const Result<Json> body = parse_body(exchange.request().body);
  if (!body.ok()) return body.error();
  Result<CompletionParams> parsed =
      parse_completion(body.value(), context.model.info, context.limits);
  if (!parsed.ok()) return parsed.error();
  CompletionParams& params = parsed.value();
  if (const Result<void> known = check_model(context, params.model); !known.ok()) return known;
  Result<std::shared_ptr<const Grammar>> grammar = compile_format(context, params.format);
  if (!grammar.ok()) return grammar.error();
  AnswerSpec spec = make_spec(context, exchange, params, "cmpl-");
  spec.grammar = std::move(grammar).value();
  std::vector<int32_t> max_tokens;
  for (const CompletionParams::Prompt& prompt : params.prompts) {
    Result<std::vector<int32_t>> ids = encode_prompt(context, params, prompt);
    if (!ids.ok()) return ids.error();
    const Result<int32_t> output = output_tokens(
        params, ids.value().size(), context.model.info.max_model_len, kDefaultTokens, "prompt");
    if (!output.ok()) return output.error();
    max_tokens.push_back(output.value());
    spec.prompts.push_back(std::move(ids).value());
    if (!params.echo) continue;
    Result<std::string> text = echo_text(context, prompt);
    if (!text.ok()) return text.error();
    spec.echo.push_back(std::move(text).value());
  }
  spec.principal = std::move(principal).value();
  spec.ticket = std::move(ticket).value();
  return hand_over(context, exchange, std::move(spec), max_tokens, make_completion_answer);
}

}  // namespace ember
