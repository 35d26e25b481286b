// SPDX-License-Identifier: Apache-2.0
// The command line, the environment (EMBER_*) and the settings file as one plain struct.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "command_settings.h"
#include "ember/base/start_error.h"
#include "settings.h"

namespace ember {

enum class CommandKind {
  kServe,
  kPlan,
  kCheck,
  kTokenize,
  kChat,
  kBenchServe,
  kBenchModel,
  kBenchFleet,
  kBenchKernels,
  kBenchCheck
};

// All settings of all commands.
struct Settings {
  CommandKind command = CommandKind::kServe;

  // serve, plan, check, tokenize, bench: what runs where. At least one model; --model-path gives
  // one.
  std::vector<ModelSettings> models = std::vector<ModelSettings>(1);
  DeviceSettings device;
  SchedulerSettings scheduler;
  LogSettings log;

  // serve
  HttpSettings http;
  LimitSettings limits;
  AccessSettings access;
  ReplicaSettings replicas;
  std::string notify_socket;  // systemd's NOTIFY_SOCKET; empty: none

  // One for each other command that has settings of its own. `client`: chat and bench serve.
  PlanSettings plan;
  CheckSettings check;
  TokenizeSettings tokenize;
  ClientSettings client;
  ChatSettings chat;
  BenchServeSettings bench_serve;
  BenchModelSettings bench_model;
  BenchFleetSettings bench_fleet;
  BenchKernelsSettings bench_kernels;
  BenchCheckSettings bench_check;

  ModelSettings& model() { return models.front(); }
  const ModelSettings& model() const { return models.front(); }
  // The settings of the first model's engine.
  EngineSettings engine() const { return {models.front(), device, scheduler, 0}; }
};

// nullopt when the line asked for help or the version, which is then in `out`. Throws StartError:
// kUsage for the command line, kConfig for the environment and the settings file (naming variable,
// or file, line and key).
std::optional<Settings> parse_settings(int argc, const char* const* argv,
                                       const std::map<std::string, std::string>& environment,
                                       std::string& out);

// The EMBER_* variables of this process, and NOTIFY_SOCKET (systemd's, see sd_notify.h).
std::map<std::string, std::string> ember_environment();

}  // namespace ember
