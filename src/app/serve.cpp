// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <filesystem>

#include "api_keys.h"
#include "check_settings.h"
#include "commands.h"
#include "device.h"
#include "ember/base/log.h"
#include "ember/engine/decoder_runner.h"
#include "ember/engine/fake_runner.h"
#include "ember/server/routes.h"
#include "model_files.h"
#include "progress_line.h"
#include "sd_notify.h"
#include "signals.h"
#include "speed_meter.h"
#include "version.h"

namespace ember {

namespace {

Duration as_duration(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

// Loading was interrupted by a signal: not an error.
struct Interrupted {};

std::vector<std::string> served_names(const Settings& settings) {
  if (!settings.served_model_name.empty()) return settings.served_model_name;
  const std::filesystem::path dir = std::filesystem::canonical(settings.model_path);
  return {dir.filename().string()};
}

HttpOptions http_options(const Settings& s) {
  return {.host = s.host,
          .port = s.port,
          .uds = s.uds,
          .num_threads = s.http_threads,
          .max_connections = connections_that_fit(s.max_connections),
          .max_body_bytes = s.max_body_bytes,
          .header_timeout = as_duration(s.header_timeout),
          .body_timeout = as_duration(s.body_timeout),
          .idle_timeout = as_duration(s.idle_timeout),
          .write_timeout = as_duration(s.write_timeout)};
}

HttpOptions admin_options(const Settings& s) {
  return {.host = s.admin_host, .port = s.admin_port, .num_threads = 1, .max_connections = 64};
}

SchedulerConfig scheduler_config(const Settings& s, const Layout& layout) {
  return {.max_num_batched_tokens = layout.limits.max_tokens,
          .max_num_seqs = s.max_num_seqs,
          .max_num_logit_rows = layout.limits.max_logit_rows,
          .max_model_len = layout.limits.max_model_len,
          .max_num_queued_reqs = s.max_num_queued_reqs,
          .policy = s.scheduling_policy == "priority" ? SchedulingPolicy::kPriority
                                                      : SchedulingPolicy::kFcfs};
}

// Everything that serves, in the order in which it is built; destroyed in the reverse order.
class Server {
 public:
  explicit Server(const Settings& settings)
      : settings_(settings),
        metrics_(served_names(settings).front(), version_line()),
        http_(http_options(settings)),
        admin_(admin_options(settings)),
        hub_({.keep_alive_interval = as_duration(settings.sse_keep_alive_interval),
              .write_timeout = as_duration(settings.write_timeout)},
             [this](std::unique_ptr<Connection> connection) {
               http_.give_back(std::move(connection));
             }),
        meter_(metrics_, hub_, context_.tokens_per_second) {
    context_.version = kVersion;
    context_.started = std::chrono::duration_cast<std::chrono::seconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
    context_.keys.replace(load_api_keys(settings.api_key, settings.api_key_file));
    context_.reload_keys = [this] { return reload_keys(); };
    context_.limits = {.max_n = settings.max_n, .max_timeout = settings.request_timeout};
    context_.queue_timeout = as_duration(settings.queue_timeout);
    context_.request_timeout = as_duration(settings.request_timeout);
    context_.hub = &hub_;
    context_.metrics = &metrics_;
  }

  ~Server() {
    stop(Error{ErrorKind::kUnavailable, "The server is shutting down.", "", "server_shutdown"});
  }

  // From here on clients get answers, if only that the model is being loaded.
  void listen() {
    add_routes(http_, context_);
    add_admin_routes(admin_, context_);
    http_.bind();
    if (settings_.admin_port >= 0) admin_.bind();
    http_.start();
    if (settings_.admin_port >= 0) admin_.start();
    if (settings_.uds.empty())
      spdlog::info("listening on http://{}:{}", settings_.host, http_.port());
    else
      spdlog::info("listening on {}", settings_.uds);
    if (settings_.admin_port >= 0)
      spdlog::info("health and metrics on http://{}:{}", settings_.admin_host, admin_.port());
  }

  // Throws StartError, or Interrupted when a signal came meanwhile.
  void load(const Signals& signals) {
    files_ = open_model_files(settings_);
    std::unique_ptr<Backend> backend = open_device(settings_, files_.config);
    spdlog::info("{}: {}, {}", settings_.model_path, files_.config.architecture,
                 backend->describe());
    const Layout layout = lay_out(settings_, *backend, files_.config);
    print_plan(layout.plan);
    std::unique_ptr<StepRunner> runner = make_runner(std::move(backend), layout, signals);
    engine_ = std::make_unique<Engine>(
        scheduler_config(settings_, layout),
        BlockPoolConfig{.num_blocks = layout.limits.num_blocks,
                        .block_size = layout.limits.block_size,
                        .enable_prefix_caching = settings_.enable_prefix_caching},
        std::move(runner), meter_);
    const int64_t all = int64_t{settings_.max_num_seqs} + settings_.max_num_queued_reqs;
    const int64_t tokens = settings_.max_num_queued_tokens > 0 ? settings_.max_num_queued_tokens
                                                               : all * layout.limits.max_model_len;
    admission_ = std::make_unique<Admission>(static_cast<int>(all), tokens);
    fill_context(layout);
    hub_.start([this](Request request) { engine_->submit(std::move(request)); },
               [this](RequestId id) { engine_->cancel(id); },
               [this](const SequenceTrace& trace) { context_.requests.add_trace(trace); });
    engine_->start();
    ::malloc_trim(0);  // loading's leavings
    context_.state.store(ServerState::kReady, std::memory_order_release);
  }

  bool failed() {
    if (!engine_->failed()) return false;
    context_.state.store(ServerState::kFailed, std::memory_order_release);
    return true;
  }

  // New work is refused; what runs goes on until it is done, or the time is over, or another signal
  // comes.
  void drain(Signals& signals) {
    const int seen = signals.stops();
    context_.state.store(ServerState::kDraining, std::memory_order_release);
    spdlog::info("shutting down: {} answers are unfinished", hub_.num_open());
    const TimePoint until = Clock::now() + as_duration(settings_.shutdown_timeout);
    while (hub_.num_open() > 0 && Clock::now() < until && signals.stops() == seen &&
           !engine_->failed())
      signals.wait(seen, std::chrono::milliseconds(20));
  }

  // The key file as it is now. A bad one changes nothing.
  Result<void> reload_keys() {
    try {
      context_.keys.replace(load_api_keys(settings_.api_key, settings_.api_key_file));
    } catch (const StartError& e) {
      spdlog::error("the API keys stay as they were: {}", e.what());
      return invalid("", e.what(), "invalid_key_file");
    }
    spdlog::info("API keys: {}", context_.keys.size());
    return {};
  }

  void stop(const Error& error) {
    constexpr Duration kGrace = std::chrono::seconds(1);  // for the last bytes
    hub_.stop(error, kGrace);
    if (engine_) engine_->stop();
    http_.stop();
    admin_.stop();
  }

 private:
  void print_plan(const MemoryPlan& plan) const {
    const std::string table = plan.table();
    for (size_t begin = 0; begin < table.size();) {
      const size_t end = std::min(table.find('\n', begin), table.size());
      spdlog::info("{}", table.substr(begin, end - begin));
      begin = end + 1;
    }
    if (plan.max_model_len < files_.config.max_position && settings_.max_model_len == 0)
      spdlog::warn("the context is {} tokens instead of the model's {}: the KV cache holds no more",
                   plan.max_model_len, files_.config.max_position);
  }

  std::unique_ptr<StepRunner> make_runner(std::unique_ptr<Backend> backend, const Layout& layout,
                                          const Signals& signals) {
    if (settings_.device == "fake")
      return std::make_unique<FakeRunner>(files_.tokenizer->vocab_size(),
                                          std::chrono::milliseconds(settings_.fake_step_ms));
    ProgressLine line;
    auto decoder = load_decoder(settings_, *backend, files_.config, layout.plan,
                                [&](size_t done, size_t total) {
                                  if (signals.stops() > 0) throw Interrupted();
                                  line.update(done, total);
                                });
    return std::make_unique<DecoderRunner>(std::move(backend), std::move(decoder), layout.limits,
                                           settings_.max_num_seqs);
  }

  void fill_context(const Layout& layout) {
    ModelInfo& info = context_.model.info;
    info.names = served_names(settings_);
    info.max_model_len = layout.limits.max_model_len;
    info.vocab_size = files_.config.vocab_size;  // perhaps more than the tokenizer has: such ids
                                                 // are known to the model, and no text
    info.eos_token_ids = files_.defaults.eos_token_ids;
    if (const auto eos = files_.tokenizer->token_to_id(files_.tokenizer->eos_token());
        eos && !files_.tokenizer->eos_token().empty())
      info.eos_token_ids.push_back(*eos);  // some models name it only there
    info.seed = settings_.seed;
    info.temperature = files_.defaults.temperature;
    info.top_p = files_.defaults.top_p;
    info.min_p = files_.defaults.min_p;
    info.top_k = files_.defaults.top_k;
    info.repetition_penalty = files_.defaults.repetition_penalty;
    Result<std::unique_ptr<GrammarCompiler>> grammars =
        GrammarCompiler::create(*files_.tokenizer, info.eos_token_ids);
    if (!grammars.ok())
      throw StartError(ExitCode::kBadModel,
                       fmt::format("{}: {}", settings_.model_path, grammars.error().message));
    grammars_ = std::move(grammars).value();
    context_.model.grammars = grammars_.get();
    context_.model.tokenizer = files_.tokenizer.get();
    context_.model.chat_template = files_.chat_template.get();
    choose_dialects();
    context_.model.engine = engine_.get();
    context_.model.admission = admission_.get();
    const auto said = [](const char* name, const auto& value) {
      return value ? fmt::format(" {} {}", name, *value) : std::string();
    };
    spdlog::info("defaults of the model:{}{}{}{}{}", said("temperature", info.temperature),
                 said("top_p", info.top_p), said("top_k", info.top_k), said("min_p", info.min_p),
                 said("repetition_penalty", info.repetition_penalty));
  }

  // How the model writes calls and reasoning: as its template teaches, unless a flag says
  // otherwise.
  void choose_dialects() {
    ServedModel& model = context_.model;
    const ChatTemplate* chat = files_.chat_template.get();
    const bool known_tools = settings_.tool_call_parser == "auto",
               known_reasoning = settings_.reasoning_parser == "auto";
    model.tool_dialect = known_tools ? (chat != nullptr ? chat->tool_dialect() : std::nullopt)
                                     : tool_dialect_by_name(settings_.tool_call_parser);
    model.reasoning_style = known_reasoning
                                ? (chat != nullptr ? chat->reasoning_style() : std::nullopt)
                                : reasoning_style_by_name(settings_.reasoning_parser);
    if (chat == nullptr) return spdlog::info("no chat template: /v1/completions only");
    spdlog::info("tool calls: {}, reasoning: {}",
                 model.tool_dialect ? tool_dialect_name(*model.tool_dialect) : "none",
                 model.reasoning_style ? model.reasoning_style->begin : "none");
  }

  const Settings& settings_;
  ApiContext context_;
  Metrics metrics_;
  ModelFiles files_;
  std::unique_ptr<GrammarCompiler> grammars_;
  std::unique_ptr<Admission> admission_;
  HttpServer http_, admin_;
  ResponseHub hub_;
  SpeedMeter meter_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace

ExitCode serve(const Settings& settings) {
  init_log(settings.log_level, settings.log_format == "json");
  Signals signals;
  check_settings(settings, !settings.api_key.empty() || !settings.api_key_file.empty());
  if (!std::filesystem::is_directory(settings.model_path))
    throw StartError(ExitCode::kBadModel,
                     fmt::format("{}: is not a directory", settings.model_path));
  const std::string notify = settings.notify_socket;
  Server server(settings);
  server.listen();
  try {
    server.load(signals);
  } catch (const Interrupted&) {
    return ExitCode::kOk;
  }
  sd_notify(notify, "READY=1");
  spdlog::info("ready");
  for (int reloads = signals.reloads(); signals.stops() == 0 && !server.failed();
       signals.wait(0, std::chrono::milliseconds(100)))
    if (signals.reloads() != reloads) {
      reloads = signals.reloads();
      (void)server.reload_keys();  // what is wrong with them has been logged
    }
  sd_notify(notify, "STOPPING=1");
  if (signals.stops() == 0) {
    server.stop(Error{ErrorKind::kUnavailable, "The engine failed.", "", "engine_failed"});
    return ExitCode::kEngineFailed;
  }
  server.drain(signals);
  const ExitCode code = server.failed() ? ExitCode::kEngineFailed : ExitCode::kOk;
  server.stop(
      Error{ErrorKind::kUnavailable, "The server is shutting down.", "", "server_shutdown"});
  return code;
}

}  // namespace ember
