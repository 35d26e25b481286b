// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <sstream>

#include "ember/text/reasoning_parser.h"
#include "ember/text/tool_dialect.h"
#include "settings_file.h"
#include "version.h"

extern char** environ;

namespace ember {

namespace {

constexpr const char* kDescription =
    "Ember: an LLM inference server. Loads a Hugging Face model directory and serves the OpenAI "
    "API.\n"
    "Settings come from flags, then EMBER_* variables (--max-num-seqs is EMBER_MAX_NUM_SEQS), then "
    "--config FILE (JSON).";

void add_model_options(CLI::App& app, Settings& s) {
  app.add_option("-m,--model-path,--model,MODEL_PATH", s.model_path, "Hugging Face model directory")
      ->group("Model");
  app.add_option("--dtype", s.dtype, "type of the weights; auto is the checkpoint's")
      ->check(CLI::IsMember({"auto", "float16", "bfloat16", "float32"}))
      ->capture_default_str()
      ->group("Model");
  app.add_option("--load-format", s.load_format,
                 "dummy: random weights for the model's config.json, for benchmarks")
      ->check(CLI::IsMember({"auto", "dummy"}))
      ->capture_default_str()
      ->group("Model");
  app.add_option("--max-model-len,--max-sequence-length", s.max_model_len,
                 "context in tokens; 0 is the model's")
      ->capture_default_str()
      ->group("Model");
  app.add_option("--chat-template", s.chat_template,
                 "file with a chat template instead of the model's own")
      ->group("Model");
}

void add_device_options(CLI::App& app, Settings& s) {
  app.add_option("--device", s.device, "where to run")
      ->check(CLI::IsMember({"auto", "cuda", "cpu", "fake"}).description("{auto,cuda,cpu}"))
      ->capture_default_str()
      ->group("Device");
  app.add_option("--gpu-memory-utilization", s.gpu_memory_utilization,
                 "share of the device's memory for weights, activations and KV cache (0, 1]; "
                 "default 0.9, on the CPU 0.5 of what "
                 "is available")
      ->group("Device");
  app.add_option("--kv-cache-memory-bytes", s.kv_cache_memory_bytes,
                 "exact size of the KV cache, e.g. 4GiB; overrides the share")
      ->transform(CLI::AsSizeValue(false))
      ->group("Device");
  app.add_option("--block-size", s.block_size,
                 "tokens of a KV block; 0 is the device's (16 on the CPU; a GPU has 64 only)")
      ->capture_default_str()
      ->group("Device");
  app.add_option("--cpu-threads", s.cpu_threads,
                 "threads of the CPU device; 0 is all this process may use")
      ->capture_default_str()
      ->group("Device");
  app.add_option("--cpu-isa", s.cpu_isa, "instruction set of the CPU device")
      ->check(CLI::IsMember({"auto", "avx2", "avx512", "amx"}))
      ->capture_default_str()
      ->group("Device");
  app.add_option("--fake-step-ms", s.fake_step_ms)->group("");  // of --device fake, for tests
}

void add_scheduling_options(CLI::App& app, Settings& s) {
  app.add_option("--max-num-seqs", s.max_num_seqs, "sequences that run at once")
      ->capture_default_str()
      ->group("Scheduling");
  app.add_option("--max-num-batched-tokens", s.max_num_batched_tokens,
                 "tokens of one step; 0 is the device's (512 on the CPU, 2048 on a GPU, 8192 from "
                 "70 GiB on)")
      ->capture_default_str()
      ->group("Scheduling");
  app.add_flag("--enable-prefix-caching,!--no-enable-prefix-caching", s.enable_prefix_caching,
               "reuse the KV blocks of equal prompt beginnings; on unless switched off")
      ->group("Scheduling");
  app.add_option("--scheduling-policy", s.scheduling_policy, "who goes first")
      ->check(CLI::IsMember({"fcfs", "priority"}))
      ->capture_default_str()
      ->group("Scheduling");
  app.add_option("--seed", s.seed, "of requests that bring none")
      ->capture_default_str()
      ->group("Scheduling");
}

void add_listen_options(CLI::App& app, Settings& s) {
  app.add_option("--host", s.host, "address to listen on")
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--port", s.port, "0 is any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--uds", s.uds, "unix socket to listen on instead of host and port")
      ->group("Listeners");
  app.add_option("--admin-host", s.admin_host, "address of the health and metrics listener")
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--admin-port", s.admin_port, "0 is any free one, -1 is none")
      ->check(CLI::Range(-1, 65535))
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--http-threads", s.http_threads, "threads that parse, render and tokenize")
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--max-connections", s.max_connections, "open at once; more are turned away")
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--max-body-bytes", s.max_body_bytes, "largest request body, e.g. 16MiB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--header-timeout", s.header_timeout, "seconds for a request's head")
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--body-timeout", s.body_timeout, "seconds for a request's body")
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--idle-timeout", s.idle_timeout, "seconds an unused connection stays open")
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--write-timeout", s.write_timeout,
                 "seconds after which a client that reads nothing is cut")
      ->capture_default_str()
      ->group("Listeners");
  app.add_option("--sse-keep-alive-interval", s.sse_keep_alive_interval,
                 "seconds between signs of life on a silent stream")
      ->capture_default_str()
      ->group("Listeners");
}

void add_limit_options(CLI::App& app, Settings& s) {
  app.add_option("--max-num-queued-reqs", s.max_num_queued_reqs,
                 "requests that may wait; more get 429")
      ->capture_default_str()
      ->group("Limits");
  app.add_option(
         "--max-num-queued-tokens", s.max_num_queued_tokens,
         "prompt tokens that may be inside; more get 429; 0 is derived from the other limits")
      ->capture_default_str()
      ->group("Limits");
  app.add_option("--queue-timeout", s.queue_timeout, "seconds a request may wait; then 503")
      ->capture_default_str()
      ->group("Limits");
  app.add_option("--request-timeout", s.request_timeout, "seconds an answer may take; then 504")
      ->capture_default_str()
      ->group("Limits");
  app.add_option("--shutdown-timeout", s.shutdown_timeout,
                 "seconds that answers may go on after SIGTERM")
      ->capture_default_str()
      ->group("Limits");
  app.add_option("--max-n", s.max_n, "largest n of a request")
      ->capture_default_str()
      ->group("Limits");
}

std::vector<std::string> with_auto(std::vector<std::string> names) {
  names.insert(names.begin(), {"auto", "none"});
  return names;
}

void add_serve_options(CLI::App& app, Settings& s) {
  add_model_options(app, s);
  add_device_options(app, s);
  add_scheduling_options(app, s);
  add_listen_options(app, s);
  add_limit_options(app, s);
  app.add_option("--served-model-name", s.served_model_name,
                 "name in the API (several); default: the directory's")
      ->allow_extra_args(false)
      ->group("Model");
  app.add_option("--tool-call-parser", s.tool_call_parser,
                 "how the model writes tool calls; auto is as its template does")
      ->check(CLI::IsMember(with_auto(tool_dialect_names())))
      ->capture_default_str()
      ->group("Model");
  app.add_option("--reasoning-parser", s.reasoning_parser,
                 "how the model marks its reasoning; auto is as its template does")
      ->check(CLI::IsMember(with_auto(reasoning_style_names())))
      ->capture_default_str()
      ->group("Model");
  app.add_option("--api-key", s.api_key,
                 "key that clients must send (repeatable; visible to other users of the machine)")
      ->allow_extra_args(false)
      ->group("Access");
  app.add_option("--api-key-file", s.api_key_file,
                 "file with one key per line, not readable by others")
      ->group("Access");
  app.add_flag("--insecure-no-auth", s.insecure_no_auth,
               "listen beyond this machine without any key")
      ->group("Access");
}

void add_log_options(CLI::App& app, Settings& s) {
  app.add_option("--log-level", s.log_level)
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->capture_default_str()
      ->group("Logs");
  app.add_option("--log-format", s.log_format)
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str()
      ->group("Logs");
}

void add_chat_options(CLI::App& app, Settings& s) {
  app.add_option("--url", s.url, "of a running server")->capture_default_str();
  app.add_option("--model", s.model, "default: the first one served");
  app.add_option("--system", s.system_prompt, "system message");
  app.add_option("--temperature", s.temperature);
  app.add_option("--max-tokens", s.max_tokens, "of one answer; 0 is the server's default")
      ->capture_default_str();
  app.add_option("--api-key", s.api_key)->allow_extra_args(false);
}

void add_bench_serve_options(CLI::App& app, Settings& s) {
  const CLI::Range count(1, 1 << 20);
  app.add_option("--url", s.url, "of a running server")->capture_default_str();
  app.add_option("--model", s.model, "default: the first one served");
  app.add_option("--api-key", s.api_key)->allow_extra_args(false);
  app.add_option("--num-prompts", s.num_prompts, "requests in total")
      ->check(count)
      ->capture_default_str();
  app.add_option("--max-concurrency", s.max_concurrency, "requests at once")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--request-rate", s.request_rate,
                 "requests per second that arrive (a Poisson process); 0 is all at once")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--input-len", s.input_len, "tokens of each prompt")
      ->check(count)
      ->capture_default_str();
  app.add_option("--output-len", s.output_len, "tokens of each answer")
      ->check(count)
      ->capture_default_str();
  app.add_option("--vocab-size", s.vocab_size, "prompts are random token ids below this")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  app.add_option("--seed", s.seed, "of prompts and arrivals")->capture_default_str();
  app.add_flag("--json", s.json, "as JSON instead of a table");
}

void add_bench_model_options(CLI::App& app, Settings& s) {
  add_model_options(app, s);
  add_device_options(app, s);
  app.add_option("--max-num-batched-tokens", s.max_num_batched_tokens,
                 "tokens of one step; 0 is the device's")
      ->capture_default_str();
  app.add_option("--decode", s.decode_cases, "steps to time, each BATCHxCONTEXT")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_option("--prefill", s.prefill_cases, "prompts to time, each in tokens")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--steps", s.steps, "of each decode")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--repetitions", s.repetitions, "of each prefill")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

void add_bench_kernels_options(CLI::App& app, Settings& s) {
  app.add_option("FAMILY", s.families, "ceilings, gemm, decode, prefill; default: all");
  app.add_option("--dtype", s.dtype, "of the operands; auto is bfloat16")
      ->check(CLI::IsMember({"auto", "float16", "bfloat16"}))
      ->capture_default_str();
  app.add_flag("--tiny", s.tiny, "small shapes, for the emulated GPU and compute-sanitizer");
}

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

// What the flags leave open, from the environment, then from the file.
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
    std::erase(extras, "--");  // its text may begin with a dash
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
  CLI::App* serve = app.add_subcommand("serve", "Load a model and serve it over HTTP.");
  CLI::App* plan =
      app.add_subcommand("plan", "Print what would be put where in memory, without loading.");
  CLI::App* check = app.add_subcommand("check", "Validate a model directory.");
  CLI::App* tokenize =
      app.add_subcommand("tokenize", "Text to token ids, or back, with a model's tokenizer.");
  CLI::App* chat = app.add_subcommand("chat", "Talk to a running server in the terminal.");
  CLI::App* bench = app.add_subcommand(
      "bench", "Measure a server, a model or the kernels, or check a device against the CPU.");
  bench->allow_extras();
  CLI::App* bench_serve = bench->add_subcommand(
      "serve", "Send requests to a running server and report throughput and latencies.");
  CLI::App* bench_model = bench->add_subcommand(
      "model", "Time decode steps and prefills of a model, without a server. Prints JSON lines.");
  CLI::App* bench_kernels = bench->add_subcommand(
      "kernels",
      "Check and time the CUDA kernels, beside cuBLAS and what the GPU can do. Prints JSON lines.");
  CLI::App* bench_check =
      bench->add_subcommand("check",
                            "Compare a device's answers with the CPU's, on small models with "
                            "random weights. Prints JSON lines.");
  add_serve_options(*serve, settings);
  add_model_options(*plan, settings);
  add_device_options(*plan, settings);
  add_scheduling_options(*plan, settings);
  plan->add_flag("--json", settings.json, "as JSON instead of a table");
  check->add_option("-m,--model-path,--model,MODEL_PATH", settings.model_path,
                    "Hugging Face model directory");
  check->add_flag("--deep", settings.deep, "read every weight and refuse NaN and infinity");
  tokenize->add_option("-m,--model-path,--model,MODEL_PATH", settings.model_path,
                       "Hugging Face model directory");
  tokenize->add_option("TEXT", settings.text, "default: standard input");
  tokenize->add_flag("--decode", settings.decode, "the text is token ids, to be turned into text");
  tokenize->add_flag("!--no-special-tokens", settings.special_tokens,
                     "without those that the tokenizer adds");
  add_chat_options(*chat, settings);
  add_bench_serve_options(*bench_serve, settings);
  add_bench_model_options(*bench_model, settings);
  add_bench_kernels_options(*bench_kernels, settings);
  add_device_options(*bench_check, settings);
  bench_check->add_flag("--tiny", settings.tiny,
                        "smaller models, for the emulated GPU and compute-sanitizer");
  const std::map<CLI::App*, CommandKind> kinds = {{serve, CommandKind::kServe},
                                                  {plan, CommandKind::kPlan},
                                                  {check, CommandKind::kCheck},
                                                  {tokenize, CommandKind::kTokenize},
                                                  {chat, CommandKind::kChat},
                                                  {bench_serve, CommandKind::kBenchServe},
                                                  {bench_model, CommandKind::kBenchModel},
                                                  {bench_kernels, CommandKind::kBenchKernels},
                                                  {bench_check, CommandKind::kBenchCheck}};
  for (const auto& [command, kind] : kinds) {
    command->allow_extras();
    if (kind != CommandKind::kChat && kind != CommandKind::kBenchServe)
      add_log_options(*command, settings);
    command
        ->add_option("--config", file, "JSON file with settings (keys as the flags, with _ for -)")
        ->group("Logs");
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
