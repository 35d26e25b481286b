// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "commands.h"
#include "ember/base/device_error.h"

namespace ember {
namespace {

ExitCode run(const Settings& settings) {
  switch (settings.command) {
    case CommandKind::kServe:
      return serve(settings);
    case CommandKind::kPlan:
      return plan(settings, std::cout);
    case CommandKind::kCheck:
      return check(settings, std::cout);
    case CommandKind::kTokenize:
      return tokenize(settings, std::cin, std::cout);
    case CommandKind::kChat:
      return chat(settings, std::cin, std::cout);
    case CommandKind::kBenchServe:
      return bench_serve(settings, std::cout);
    case CommandKind::kBenchModel:
      return bench_model(settings, std::cout);
    case CommandKind::kBenchFleet:
      return bench_fleet(settings, std::cout);
    case CommandKind::kBenchKernels:
      return bench_kernels(settings, std::cout);
    case CommandKind::kBenchCheck:
      return bench_check(settings, std::cout);
  }
  return ExitCode::kUsage;
}

ExitCode run(int argc, const char* const* argv) {
  std::string text;
  const std::optional<Settings> settings = parse_settings(argc, argv, ember_environment(), text);
  if (settings) return run(*settings);
  std::cout << text;
  return ExitCode::kOk;
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {
  ember::ExitCode code = ember::ExitCode::kEngineFailed;
  try {
    code = ember::run(argc, argv);
  } catch (const ember::StartError& e) {
    std::cerr << "ember: " << e.what() << std::endl;
    code = e.code();
  } catch (const ember::DeviceError& e) {  // the engine catches those of serving
    std::cerr << "ember: " << e.what() << std::endl;
    code = ember::ExitCode::kNoDevice;
  } catch (const std::exception& e) {
    std::cerr << "ember: " << e.what() << std::endl;
  }
  return static_cast<int>(code);
}
