// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <vector>

#include "api_keys.h"
#include "check_settings.h"
#include "commands.h"
#include "device.h"
#include "ember/base/log.h"
#include "ember/engine/replica_supervisor.h"
#include "ember/server/api_context.h"
#include "ember/server/generation_services.h"
#include "ember/server/hub.h"
#include "ember/server/key_ring.h"
#include "ember/server/metrics.h"
#include "ember/server/model_registry.h"
#include "ember/server/request_log.h"
#include "ember/server/routes.h"
#include "ember/server/server_status.h"
#include "engine_factory.h"
#include "host_model.h"
#include "progress_line.h"
#include "replicas.h"
#include "sd_notify.h"
#include "signals.h"
#include "start_log.h"
#include "version.h"

namespace ember {

namespace {

Duration as_duration(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

HttpOptions http_options(const HttpSettings& s) {
  return {.host = s.host,
          .port = s.port,
          .uds = s.uds,
          .num_threads = s.num_threads,
          .max_connections = connections_that_fit(s.max_connections),
          .max_body_bytes = s.max_body_bytes,
          .header_timeout = as_duration(s.header_timeout),
          .body_timeout = as_duration(s.body_timeout),
          .idle_timeout = as_duration(s.idle_timeout),
          .write_timeout = as_duration(s.write_timeout)};
}

HttpOptions admin_options(const HttpSettings& s) {
  return {.host = s.admin_host, .port = s.admin_port, .num_threads = 1, .max_connections = 64};
}

HubOptions hub_options(const HttpSettings& s) {
  return {.keep_alive_interval = as_duration(s.sse_keep_alive_interval),
          .write_timeout = as_duration(s.write_timeout)};
}

Patience patience_for(const DeviceSettings& s) {
  constexpr double kGpuTimeout = 60;
  constexpr int kLoading = 5;  // a driver starts, compiles and frees more slowly than a step runs
  const double timeout = s.device_timeout.value_or(wants_gpu(s) ? kGpuTimeout : 0);
  if (timeout == 0) return {};
  return {.loading = kLoading * as_duration(timeout), .serving = as_duration(timeout)};
}

constexpr Duration kGrace = std::chrono::seconds(1);  // for the last bytes

// Everything that serves, in the order in which it is built; destroyed in the reverse order.
class Server {
 public:
  explicit Server(const Settings& settings)
      : settings_(settings),
        source_(open_model(settings.model().path)),
        metrics_(version_line()),
        http_(http_options(settings.http)),
        admin_(admin_options(settings.http)),
        hub_(hub_options(settings.http),
             [this](std::unique_ptr<Connection> connection) {
               http_.give_back(std::move(connection));
             }),
        model_metrics_(std::make_shared<ModelMetrics>(metrics_, model_name())) {
    for (int i = 0; i < num_replicas(); ++i)
      engine_metrics_.push_back(std::make_shared<EngineMetrics>(metrics_, model_name(), i, hub_));
    status_.version = kVersion;
    status_.started = std::chrono::duration_cast<std::chrono::seconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
    keys_.replace(load_api_keys(settings.access.api_keys, settings.access.api_key_file));
    generation_.limits = {.max_n = settings.limits.max_n,
                          .max_timeout = settings.limits.request_timeout};
    generation_.queue_timeout = as_duration(settings.limits.queue_timeout);
    generation_.request_timeout = as_duration(settings.limits.request_timeout);
  }

  ~Server() {
    stop(Error{ErrorKind::kUnavailable, "The server is shutting down.", "", "server_shutdown"});
  }

  // From here on clients get answers, if only that the model is being loaded.
  void listen() {
    add_routes(http_, context_);
    add_admin_routes(admin_, context_);
    http_.bind();
    if (settings_.http.admin_port >= 0) admin_.bind();
    http_.start();
    if (settings_.http.admin_port >= 0) admin_.start();
    if (settings_.http.uds.empty())
      spdlog::info("listening on http://{}:{}", settings_.http.host, http_.port());
    else
      spdlog::info("listening on {}", settings_.http.uds);
    if (settings_.http.admin_port >= 0)
      spdlog::info("health and metrics on http://{}:{}", settings_.http.admin_host, admin_.port());
  }

  // Throws StartError, or LoadStopped when a signal came meanwhile.
  void load(const Signals& signals) {
    check_replica_device(settings_.replicas, settings_.device);
    ModelFiles files = read_model_files(*source_, settings_.model());
    if (num_replicas() > 1)
      load_replicas(signals);
    else
      load_engine(signals, files);
    models_.add(
        host_model(*source_, settings_.engine(), std::move(files),
                   {generator_, replicas_, max_model_len_, model_metrics_, engine_metrics_}));
    add_room(admission_, joint_settings(settings_.engine().scheduler, num_replicas()),
             settings_.limits.max_num_queued_tokens, max_model_len_);
    hub_.start([this](const SequenceTrace& trace) { requests_.add_trace(trace); });
    ::malloc_trim(0);  // the memory that loading has freed
    status_.state.store(ServerState::kReady, std::memory_order_release);
  }

  bool failed() {
    if (!generator_->failed()) return false;
    status_.state.store(ServerState::kFailed, std::memory_order_release);
    return true;
  }

  // Ends the process when the device hangs, after telling the clients: it can be neither waited for
  // nor freed. To be called now and then. Of several replicas one may hang.
  void end_if_hung() {
    if (engine_thread_ && engine_thread_->hangs()) end_hung();
  }

  // New work is refused; what runs goes on until it is done, or the time is over, or another signal
  // comes.
  void drain(Signals& signals) {
    const int seen = signals.stops();
    status_.state.store(ServerState::kDraining, std::memory_order_release);
    spdlog::info("shutting down: {} answers are unfinished", hub_.num_open());
    const TimePoint until = Clock::now() + as_duration(settings_.limits.shutdown_timeout);
    while (hub_.num_open() > 0 && Clock::now() < until && signals.stops() == seen &&
           !generator_->failed()) {
      signals.wait(seen, std::chrono::milliseconds(20));
      end_if_hung();
    }
  }

  // The key file as it is now. A bad one changes nothing.
  Result<void> reload_keys() {
    try {
      keys_.replace(load_api_keys(settings_.access.api_keys, settings_.access.api_key_file));
    } catch (const StartError& e) {
      spdlog::error("the API keys stay as they were: {}", e.what());
      return invalid("", e.what(), "invalid_key_file");
    }
    spdlog::info("API keys: {}", keys_.size());
    return {};
  }

  void stop(const Error& error) {
    hub_.stop(error, kGrace);
    stop_engine();
    http_.stop();
    admin_.stop();
  }

 private:
  int num_replicas() const { return settings_.replicas.data_parallel_size; }

  void load_engine(const Signals& signals, const ModelFiles& files) {
    engine_thread_.emplace(
        [this, &files](const LoadProgress& progress) {
          return make_engine(settings_.engine(), files, *engine_metrics_[0], progress);
        },
        patience_for(settings_.device));
    wait_for_engine(signals);
    const std::shared_ptr<Engine> engine = engine_thread_->engine();
    max_model_len_ = engine->max_model_len();
    generator_ = engine;
  }

  void load_replicas(const Signals& signals) {
    const ReplicaSetOptions options = replica_options(settings_);
    replicas_ = std::make_shared<ReplicaSet>(options, hub_);
    for (const auto& metrics : engine_metrics_) replicas_->add(*metrics);
    generator_ = replicas_;
    supervisor_.emplace(*replicas_, num_replicas(), options.router.stall_timeout,
                        [this](ReplicaId, OutputSink& sink, const LoadProgress& progress) {
                          return make_replica(sink, progress);
                        });
    ProgressLine line;
    supervisor_->start([&](EngineThread& loading) {
      if (signals.stops() > 0) throw LoadStopped();
      if (loading.bytes_total() > 0) line.update(loading.bytes_done(), loading.bytes_total());
    });
  }

  // On the thread of a replica. What is served was decided by the first one.
  std::unique_ptr<Engine> make_replica(OutputSink& sink, const LoadProgress& progress) {
    const int num_made = num_made_.fetch_add(1);
    EngineSettings settings = replica_settings(settings_.engine(), num_replicas(),
                                               std::min(num_made, num_replicas() - 1));
    settings.num_made = num_made;
    if (num_made > 0) settings.model.max_model_len = max_model_len_;
    std::unique_ptr<Engine> engine =
        make_engine(settings, read_model_files(*source_, settings_.model()), sink, progress);
    if (num_made == 0) max_model_len_ = engine->max_model_len();
    return engine;
  }

  void stop_engine() {
    if (engine_thread_ && !engine_thread_->stop()) end_hung();
    if (supervisor_ && !supervisor_->stop()) end_hung();
  }

  [[noreturn]] void end_hung() {
    const std::string call = last_device_call();
    spdlog::critical("the device hangs: no sign of it for longer than {} allows{}{}",
                     supervisor_ ? "--replica-stall-timeout" : "--device-timeout",
                     call.empty() ? "" : "; the last call was ", call);
    status_.state.store(ServerState::kFailed, std::memory_order_release);
    hub_.stop(
        Error{ErrorKind::kUnavailable, "The engine failed: its device hangs.", "", "engine_failed"},
        kGrace);
    spdlog::default_logger()->flush();
    ::_exit(static_cast<int>(ExitCode::kEngineFailed));
  }

  std::string model_name() const { return served_names(settings_.model(), *source_).front(); }

  // Shows how far loading has come, and stops it when a signal comes.
  void wait_for_engine(const Signals& signals) {
    ProgressLine line;
    while (!engine_thread_->wait_made(std::chrono::milliseconds(50))) {
      if (signals.stops() > 0) return stop_engine();
      end_if_hung();
      if (engine_thread_->bytes_total() > 0)
        line.update(engine_thread_->bytes_done(), engine_thread_->bytes_total());
    }
  }

  const Settings& settings_;
  const std::unique_ptr<const ModelSource> source_;
  ServerStatus status_;
  KeyRing keys_;
  Metrics metrics_;
  RequestLog requests_;
  Admission admission_;
  ModelRegistry models_;
  HttpServer http_, admin_;
  ResponseHub hub_;
  GenerationServices generation_{
      .models = models_, .admission = admission_, .hub = hub_, .requests = requests_};
  ApiContext context_{.status = status_,
                      .keys = keys_,
                      .models = models_,
                      .generation = generation_,
                      .hub = hub_,
                      .requests = requests_,
                      .metrics = metrics_,
                      .reload_keys = [this] { return reload_keys(); }};
  // From the start, so that a scrape while the model is loaded finds every name.
  const std::shared_ptr<ModelMetrics> model_metrics_;
  std::vector<std::shared_ptr<EngineMetrics>> engine_metrics_;
  int max_model_len_ = 0;
  std::shared_ptr<Generator> generator_;
  // One engine:
  std::optional<EngineThread> engine_thread_;
  // Or several:
  std::atomic<int> num_made_{0};  // engines, in all lives
  std::shared_ptr<ReplicaSet> replicas_;
  std::optional<ReplicaSupervisor> supervisor_;
};

}  // namespace

ExitCode serve(const Settings& settings) {
  start_log(settings.log);
  Signals signals;
  check_serve_settings(settings);
  const std::string notify = settings.notify_socket;
  Server server(settings);
  server.listen();
  try {
    server.load(signals);
  } catch (const LoadStopped&) {
    return ExitCode::kOk;
  }
  sd_notify(notify, "READY=1");
  spdlog::info("ready");
  for (int reloads = signals.reloads(); signals.stops() == 0 && !server.failed();
       signals.wait(0, std::chrono::milliseconds(100))) {
    server.end_if_hung();
    if (signals.reloads() != reloads) {
      reloads = signals.reloads();
      (void)server.reload_keys();  // what is wrong with them has been logged
    }
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
