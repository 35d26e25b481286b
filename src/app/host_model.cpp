// SPDX-License-Identifier: Apache-2.0
#include "host_model.h"

#include <fmt/format.h>

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

std::unique_ptr<Admission> make_admission(const SchedulerSettings& settings,
                                          int64_t max_num_queued_tokens, int max_model_len) {
  const int64_t requests = int64_t{settings.max_num_seqs} + settings.max_num_queued_reqs;
  const int64_t tokens =
      max_num_queued_tokens > 0 ? max_num_queued_tokens : requests * max_model_len;
  return std::make_unique<Admission>(static_cast<int>(requests), tokens);
}

void log_defaults(const ModelInfo& info) {
  const auto said = [](const char* name, const auto& value) {
    return value ? fmt::format(" {} {}", name, *value) : std::string();
  };
  spdlog::info("defaults of the model:{}{}{}{}{}", said("temperature", info.temperature),
               said("top_p", info.top_p), said("top_k", info.top_k), said("min_p", info.min_p),
               said("repetition_penalty", info.repetition_penalty));
}

}  // namespace

std::vector<std::string> served_names(const ModelSettings& settings, const ModelSource& source) {
  if (!settings.served_names.empty()) return settings.served_names;
  return {source.name()};
}

HostModel::HostModel(const ModelSource& source, const EngineSettings& settings,
                     int64_t max_num_queued_tokens)
    : source_(source),
      settings_(settings),
      max_num_queued_tokens_(max_num_queued_tokens),
      files_(read_model_files(source, settings.model.chat_template)) {}

ServedModel HostModel::serve_with(std::shared_ptr<Engine> engine,
                                  std::shared_ptr<ModelMetrics> metrics,
                                  std::shared_ptr<const EngineMetrics> engine_metrics) {
  ServedModel model;
  model.info = info(engine->max_model_len());
  grammars_ = make_grammars(*files_.tokenizer, model.info.eos_token_ids, source_.path());
  admission_ = make_admission(settings_.scheduler, max_num_queued_tokens_, engine->max_model_len());
  model.tokenizer = files_.tokenizer.get();
  model.chat_template = files_.chat_template.get();
  model.grammars = grammars_.get();
  model.metrics = std::move(metrics);
  model.engine_metrics = std::move(engine_metrics);
  model.generator = std::move(engine);
  model.admission = admission_.get();
  choose_dialects(model);
  log_defaults(model.info);
  return model;
}

ModelInfo HostModel::info(int max_model_len) const {
  ModelInfo info;
  info.names = served_names(settings_.model, source_);
  info.max_model_len = max_model_len;
  // The embedding may have more rows than the tokenizer has tokens: such ids are valid in a prompt
  // and have no text.
  info.vocab_size = files_.config.vocab_size;
  info.eos_token_ids = files_.defaults.eos_token_ids;
  if (const auto eos = files_.tokenizer->token_to_id(files_.tokenizer->eos_token());
      eos && !files_.tokenizer->eos_token().empty())
    info.eos_token_ids.push_back(*eos);  // some models name it in the tokenizer only
  info.seed = settings_.scheduler.seed;
  info.temperature = files_.defaults.temperature;
  info.top_p = files_.defaults.top_p;
  info.min_p = files_.defaults.min_p;
  info.top_k = files_.defaults.top_k;
  info.repetition_penalty = files_.defaults.repetition_penalty;
  return info;
}

// How the model writes tool calls and reasoning: a flag names it, or the chat template shows it.
void HostModel::choose_dialects(ServedModel& model) const {
  const ChatTemplate* chat = files_.chat_template.get();
  if (settings_.model.tool_call_parser != "auto")
    model.tool_dialect = tool_dialect_by_name(settings_.model.tool_call_parser);
  else if (chat != nullptr)
    model.tool_dialect = chat->tool_dialect();
  if (settings_.model.reasoning_parser != "auto")
    model.reasoning_style = reasoning_style_by_name(settings_.model.reasoning_parser);
  else if (chat != nullptr)
    model.reasoning_style = chat->reasoning_style();
  if (chat == nullptr) return spdlog::info("no chat template: /v1/completions only");
  spdlog::info("tool calls: {}, reasoning: {}",
               model.tool_dialect != nullptr ? model.tool_dialect->name : "none",
               model.reasoning_style ? model.reasoning_style->begin : "none");
}

}  // namespace ember
