// SPDX-License-Identifier: Apache-2.0
#include "host_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "ember/base/log.h"
#include "ember/base/start_error.h"

namespace ember {

namespace {

std::unique_ptr<GrammarCompiler> make_grammars(const Tokenizer& tokenizer,
                                               const std::vector<int32_t>& eos_token_ids,
                                               const std::string& model_path) {
  Result<std::unique_ptr<GrammarCompiler>> grammars =
      GrammarCompiler::create(tokenizer, eos_token_ids);
  if (!grammars.ok())
    throw StartError(ExitCode::kBadModel,
                     fmt::format("{}: {}", model_path, grammars.error().message));
  return std::move(grammars).value();
}

void log_defaults(const ModelInfo& info) {
  const auto shown = [](const char* name, const auto& value) {
    return value ? fmt::format(" {} {}", name, *value) : std::string();
  };
  spdlog::info("defaults of the model:{}{}{}{}{}{}", shown("temperature", info.temperature),
               shown("top_p", info.top_p), shown("top_k", info.top_k), shown("min_p", info.min_p),
               shown("repetition_penalty", info.repetition_penalty),
               info.stop_strings.empty()
                   ? ""
                   : fmt::format(", stop strings \"{}\"", fmt::join(info.stop_strings, "\", \"")));
}

ModelInfo info_of(const ModelSource& source, const EngineSettings& settings,
                  const ModelFiles& files, int max_model_len) {
  ModelInfo info;
  info.names = served_names(settings.model, source);
  info.max_model_len = max_model_len;
  // The embedding may have more rows than the tokenizer has tokens: such ids are valid in a prompt
  // and have no text.
  info.vocab_size = files.config.vocab_size;
  info.eos_token_ids = files.defaults.eos_token_ids;
  if (const auto eos = files.tokenizer->token_to_id(files.tokenizer->eos_token());
      eos && !files.tokenizer->eos_token().empty())
    info.eos_token_ids.push_back(*eos);  // some models name it in the tokenizer only
  for (const int32_t id : files.tokenizer->end_ids()) info.eos_token_ids.push_back(id);
  info.seed = settings.scheduler.seed;
  info.temperature = files.defaults.greedy ? 0 : files.defaults.temperature;
  info.top_p = files.defaults.top_p;
  info.min_p = files.defaults.min_p;
  info.top_k = files.defaults.top_k;
  info.repetition_penalty = files.defaults.repetition_penalty;
  info.stop_strings = files.defaults.stop_strings;
  return info;
}

// How the model writes tool calls and reasoning: a flag names it, or the chat template shows it.
void choose_dialects(const ModelSettings& settings, ServedModel& model) {
  const ChatTemplate* chat = model.chat_template.get();
  if (settings.tool_call_parser != "auto")
    model.tool_dialect = tool_dialect_by_name(settings.tool_call_parser);
  else if (chat != nullptr)
    model.tool_dialect = chat->tool_dialect();
  if (settings.reasoning_parser != "auto")
    model.reasoning_style = reasoning_style_by_name(settings.reasoning_parser);
  else if (chat != nullptr)
    model.reasoning_style = chat->reasoning_style();
  if (chat == nullptr) return spdlog::info("no chat template: /v1/completions only");
  spdlog::info("tool calls: {}, reasoning: {}",
               model.tool_dialect != nullptr ? model.tool_dialect->name : "none",
               model.reasoning_style ? model.reasoning_style->begin : "none");
}

// Tokens that end an answer in the tool dialect always end it, even if the model's files do not
// name them.
void add_stops(ServedModel& model) {
  const bool channels = model.reasoning_style && model.reasoning_style->channels;
  const ToolDialect* dialect = channels ? tool_dialect_by_name("harmony") : model.tool_dialect;
  if (dialect == nullptr) return;
  std::vector<int32_t>& ids = model.info.eos_token_ids;
  for (const std::string_view stop : dialect->stops)
    if (const auto id = model.tokenizer->token_to_id(stop);
        id && model.tokenizer->is_special(*id) &&
        std::find(ids.begin(), ids.end(), *id) == ids.end())
      ids.push_back(*id);
}

}  // namespace

std::vector<std::string> served_names(const ModelSettings& settings, const ModelSource& source) {
  if (!settings.served_names.empty()) return settings.served_names;
  return {source.name()};
}

ModelRef host_model(const ModelSource& source, const EngineSettings& settings, ModelFiles files,
                    ModelEngine engine) {
  auto model = std::make_shared<ServedModel>();
  model->info = info_of(source, settings, files, engine.max_model_len);
  model->tokenizer = std::move(files.tokenizer);
  model->chat_template = std::move(files.chat_template);
  model->metrics = std::move(engine.metrics);
  model->engine_metrics.assign(engine.engine_metrics.begin(), engine.engine_metrics.end());
  model->generator = std::move(engine.generator);
  model->replicas = std::move(engine.replicas);
  choose_dialects(settings.model, *model);
  add_stops(*model);
  model->grammars = make_grammars(*model->tokenizer, model->info.eos_token_ids, source.path());
  log_defaults(model->info);
  return model;
}

void add_room(Admission& admission, const SchedulerSettings& settings,
              int64_t max_num_queued_tokens, int max_model_len) {
  const int64_t requests = int64_t{settings.max_num_seqs} + settings.max_num_queued_reqs;
  admission.add_room(static_cast<int>(requests),
                     max_num_queued_tokens > 0 ? max_num_queued_tokens : requests * max_model_len);
}

}  // namespace ember
