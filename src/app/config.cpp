// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <sstream>

#include "options.h"
#include "settings_file.h"
#include "version.h"

extern char** environ;

namespace ember {

namespace {

constexpr const char* kDescription =
    "Ember: an LLM inference server. Loads a Hugging Face model directory or a GGUF file and "
    "serves the OpenAI API.\n"
    "Settings come from flags, then EMBER_* variables (--max-num-seqs is EMBER_MAX_NUM_SEQS), then "
    "--config FILE (JSON).";

constexpr const char* kBenchDescription =
    "Measure a server, a model or the kernels, simulate a fleet, or check a device against the "
    "CPU.";

struct Command {
  CommandKind kind;
  bool of_bench;  // ember bench NAME
  const char *name, *description;
};

constexpr Command kCommands[] = {
    {CommandKind::kServe, false, "serve", "Load a model and serve it over HTTP."},
    {CommandKind::kPlan, false, "plan",
     "Print what would be put where in memory, without loading."},
    {CommandKind::kCheck, false, "check", "Validate a model directory."},
    {CommandKind::kTokenize, false, "tokenize",
     "Text to token ids, or back, with a model's tokenizer."},
    {CommandKind::kChat, false, "chat", "Talk to a running server in the terminal."},
    {CommandKind::kBenchServe, true, "serve",
     "Send requests to a running server and report throughput and latencies."},
    {CommandKind::kBenchModel, true, "model",
     "Time decode steps and prefills of a model, without a server. Prints JSON lines."},
    {CommandKind::kBenchFleet, true, "fleet",
     "Simulate many replicas and compare how requests are routed to them, without a model."},
    {CommandKind::kBenchKernels, true, "kernels",
     "Check and time the CUDA kernels, beside cuBLAS and what the GPU can do. Prints JSON lines."},
    {CommandKind::kBenchCheck, true, "check",
     "Compare a device's answers with the CPU's, on small models with random weights. Prints JSON "
     "lines."},
};

// Levenshtein distance: how many letters a typing mistake costs.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

std::string hint(const std::string& word, const std::vector<std::string>& known) {
  const auto best = std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
    return edit_distance(word, a) < edit_distance(word, b);
  });
  if (best == known.end() || edit_distance(word, *best) > 1 + word.size() / 4) return {};
  return fmt::format("; did you mean {}?", *best);
}

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// "max-num-seqs" -> "max_num_seqs": how files and the environment spell it.
std::string key_of(const CLI::Option& option) {
  std::string key = option.get_lnames().empty() ? "" : option.get_lnames().front();
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::string variable_of(const CLI::Option& option) {
  std::string name = "EMBER_" + key_of(option);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

void set_option(CLI::Option& option, const std::vector<std::string>& values,
                const std::string& source) {
  try {
    for (const std::string& value : values) option.add_result(value);
    option.run_callback();
  } catch (const CLI::ParseError& e) {
    throw StartError(ExitCode::kConfig, fmt::format("{}: {}", source, e.what()));
  }
}

// Reads the settings that no flag has set: from the environment, else from the file.
void fill_in(CLI::App& command, const std::map<std::string, std::string>& environment,
             const std::string& file) {
  std::map<std::string, SettingsFile::Entry> entries;
  if (!file.empty()) entries = SettingsFile::read(file).entries;
  for (CLI::Option* option : command.get_options()) {
    const std::string key = key_of(*option);
    if (key.empty() || key == "help" || key == "config") continue;
    const auto entry = entries.find(key);
    const auto variable = environment.find(variable_of(*option));
    if (option->count() == 0 && variable != environment.end()) {
      set_option(*option, {variable->second}, "environment variable " + variable->first);
    } else if (option->count() == 0 && entry != entries.end()) {
      set_option(*option, entry->second.values,
                 fmt::format("{}:{}: \"{}\"", file, entry->second.line, key));
    }
    if (entry != entries.end()) entries.erase(entry);
  }
  for (const auto& [key, entry] : entries) {
    std::vector<std::string> known;
    for (const CLI::Option* option : command.get_options()) known.push_back(key_of(*option));
    throw StartError(ExitCode::kConfig, fmt::format("{}:{}: unknown key \"{}\"{}", file, entry.line,
                                                    key, hint(key, known)));
  }
}

std::string subcommands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands(nullptr)) names.push_back(sub->get_name());
  const std::string last = names.back();
  names.pop_back();
  return names.empty() ? last : fmt::format("{} or {}", fmt::join(names, ", "), last);
}

// `group`: "bench " for its commands, else empty. `command`: of `parent`; null: none was given.
void refuse_extras(const CLI::App& parent, const CLI::App* command, const std::string& group) {
  std::vector<std::string> extras = parent.remaining(true);
  if (command != nullptr && command->get_name() == "tokenize")
    std::erase(extras, "--");  // the text to tokenize may begin with a dash
  if (command != nullptr && extras.empty()) return;
  std::vector<std::string> known =
      command != nullptr ? flag_names(*command) : std::vector<std::string>{};
  if (command == nullptr)
    for (const CLI::App* sub : parent.get_subcommands(nullptr)) known.push_back(sub->get_name());
  if (extras.empty())
    throw StartError(ExitCode::kUsage, fmt::format("a command is missing: {} (see ember {}--help)",
                                                   subcommands_of(parent), group));
  throw StartError(ExitCode::kUsage,
                   fmt::format("unknown argument {}{} (see ember {}{}--help)", extras.front(),
                               hint(extras.front().substr(0, extras.front().find('=')), known),
                               group, command != nullptr ? command->get_name() + " " : ""));
}

}  // namespace

std::optional<Settings> parse_settings(int argc, const char* const* argv,
                                       const std::map<std::string, std::string>& environment,
                                       std::string& out) {
  Settings settings;
  std::string file;
  CLI::App app(kDescription, "ember");
  app.set_version_flag("--version", version_line());
  app.allow_extras();
  CLI::App* bench = nullptr;
  std::map<CLI::App*, CommandKind> kinds;
  for (const Command& c : kCommands) {
    if (c.of_bench && bench == nullptr) {
      bench = app.add_subcommand("bench", kBenchDescription);
      bench->allow_extras();
    }
    CLI::App* command = (c.of_bench ? bench : &app)->add_subcommand(c.name, c.description);
    command->allow_extras();
    add_options(*command, c.kind, settings);
    command
        ->add_option("--config", file, "JSON file with settings (keys as the flags, with _ for -)")
        ->group("Logs");
    kinds[command] = c.kind;
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    std::ostringstream text;
    app.exit(help, text, text);
    out = text.str();
    return std::nullopt;
  } catch (const CLI::ParseError& e) {
    throw StartError(ExitCode::kUsage, e.what());
  }
  const auto given = [](const CLI::App& parent) {
    return parent.get_subcommands().empty() ? nullptr : parent.get_subcommands().front();
  };
  const bool benches = given(app) == bench;
  CLI::App* command = given(benches ? *bench : app);
  refuse_extras(benches ? *bench : app, command, benches ? "bench " : "");
  settings.command = kinds.at(command);
  if (const auto it = environment.find("EMBER_CONFIG"); file.empty() && it != environment.end())
    file = it->second;
  fill_in(*command, environment, file);
  if (const auto it = environment.find("NOTIFY_SOCKET"); it != environment.end())
    settings.notify_socket = it->second;
  return settings;
}

std::map<std::string, std::string> ember_environment() {
  std::map<std::string, std::string> found;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string line = *entry;
    const bool ours = line.starts_with("EMBER_") || line.starts_with("NOTIFY_SOCKET=");
    if (const size_t equals = line.find('='); ours && equals != std::string::npos)
      found[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return found;
}

}  // namespace ember
