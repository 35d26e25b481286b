// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <optional>
#include <type_traits>

#include "ember/routing/router.h"
#include "ember/text/reasoning_parser.h"
#include "ember/text/tool_dialect.h"

namespace ember {

namespace {

constexpr const char* kModelPath = "-m,--model-path,--model,MODEL_PATH";
constexpr const char* kModelPathHelp = "Hugging Face model directory, or GGUF file";
constexpr const char* kTokenizerHelp =
    "directory, tokenizer file or GGUF file with a tokenizer instead of the model's own";
constexpr const char* kOptions = "Options";  // the heading of flags without a group

// Flags under one heading of the help text.
class Group {
 public:
  Group(CLI::App& app, std::string name) : app_(app), name_(std::move(name)) {}

  // The help text shows the default of numbers and of texts that are not empty.
  template <class T>
  CLI::Option* add(const std::string& names, T& value, const std::string& help = {}) const {
    CLI::Option* option = app_.add_option(names, value, help)->group(name_);
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>)
      option->capture_default_str();
    return option;
  }
  CLI::Option* add_flag(const std::string& names, bool& value, const std::string& help) const {
    return app_.add_flag(names, value, help)->group(name_);
  }
  // Repeatable: each takes one value, so that what follows is not taken for another one.
  CLI::Option* add_list(const std::string& names, std::vector<std::string>& values,
                        const std::string& help = {}) const {
    return add(names, values, help)->allow_extra_args(false);
  }

 private:
  CLI::App& app_;
  const std::string name_;
};

// "cuda:1" is the second GPU, as the driver counts them. nullopt: no device is called so.
std::optional<DeviceSettings> device_of(const std::string& text) {
  DeviceSettings device;
  if (text == "auto") return device;
  device.kind = text == "cpu" ? DeviceKind::kCpu : DeviceKind::kCuda;
  if (text == "fake") device.kind = DeviceKind::kFake;
  if (text == "cpu" || text == "cuda" || text == "fake") return device;
  const std::string prefix = "cuda:";
  const char* end = text.data() + text.size();
  if (!text.starts_with(prefix) || text.size() > prefix.size() + 4) return std::nullopt;
  const auto read = std::from_chars(text.data() + prefix.size(), end, device.index);
  const bool whole = read.ec == std::errc{} && read.ptr == end && device.index >= 0;
  return whole ? std::optional(device) : std::nullopt;
}

void add_device_option(CLI::App& app, DeviceSettings& device) {
  const auto check = [](const std::string& text) {
    return device_of(text) ? std::string() : text + " not in {auto,cuda,cuda:N,cpu,fake}";
  };
  const auto set = [&device](const std::string& text) {
    const DeviceSettings named = device_of(text).value_or(DeviceSettings());
    device.kind = named.kind;
    device.index = named.index;
  };
  app.add_option_function<std::string>("--device", set, "where to run; cuda:1 is the second GPU")
      ->check(CLI::Validator(check, "{auto,cuda,cuda:N,cpu}"))
      ->default_str("auto")
      ->group("Device");
}

void add_model_options(CLI::App& app, ModelSettings& s) {
  const Group model(app, "Model");
  model.add(kModelPath, s.path, kModelPathHelp);
  model.add("--dtype", s.dtype, "type of the weights; auto is the checkpoint's")
      ->check(CLI::IsMember({"auto", "float16", "bfloat16", "float32"}));
  model
      .add("--load-format", s.load_format,
           "dummy: random weights for the model's config.json, for benchmarks")
      ->check(CLI::IsMember({"auto", "dummy"}));
  model.add("--max-model-len,--max-sequence-length", s.max_model_len,
            "context in tokens; 0 is the model's");
  model.add("--chat-template", s.chat_template,
            "file with a chat template instead of the model's own");
}

void add_device_options(CLI::App& app, DeviceSettings& s) {
  const Group device(app, "Device");
  add_device_option(app, s);
  device.add("--gpu-memory-utilization", s.memory_utilization,
             "share of the device's memory for weights, activations and KV cache (0, 1]; "
             "default 0.9; where it is the host's, 0.5 of what is available");
  device
      .add("--kv-cache-memory-bytes", s.kv_cache_bytes,
           "exact size of the KV cache, e.g. 4GiB; overrides the share")
      ->transform(CLI::AsSizeValue(false));
  device.add("--block-size", s.block_size,
             "tokens of a KV block; 0 is the device's (16 on the CPU; a GPU has 64 only)");
  device.add("--tensor-parallel-size,--tp", s.tensor_parallel_size,
             "ranks that share each layer of the model: 1, 2, 4 or 8; on the CPU");
  device.add("--cpu-threads", s.cpu_threads,
             "threads of the CPU device; 0 is all this process may use");
  device.add("--cpu-isa", s.cpu_isa, "instruction set of the CPU device")
      ->check(CLI::IsMember({"auto", "avx2", "avx512", "amx"}));
  device
      .add("--cpu-activations", s.cpu_activations,
           "what the CPU multiplies quantised weights with: int8 is faster, int16 as exact as "
           "float16; float dequantises them at load")
      ->check(CLI::IsMember({"int16", "int8", "float"}));
  device.add_flag("--cuda-graphs,!--no-cuda-graphs", s.cuda_graphs,
                  "record steps of decodes and replay them; on unless switched off");
  device.add_flag("--cuda-overlap,!--no-cuda-overlap", s.cuda_overlap,
                  "begin kernels before the one before has ended; on unless switched off");
  device.add_flag("--cuda-cublas,!--no-cuda-cublas", s.cuda_cublas,
                  "multiply long prompts by cuBLASLt, where it is found; on unless switched off");
  device.add_flag("--cuda-sync", s.cuda_sync,
                  "wait for every kernel, so that an error names it; without graphs");
  const Group hidden(app, "");
  hidden.add("--fake-step-ms", s.fake_step_ms);
  hidden.add("--fake-faults", s.fake_faults);
}

void add_scheduler_options(CLI::App& app, SchedulerSettings& s) {
  const Group scheduling(app, "Scheduling");
  scheduling.add("--max-num-seqs", s.max_num_seqs, "sequences that run at once");
  scheduling.add("--max-num-batched-tokens", s.max_num_batched_tokens,
                 "tokens of one step; 0 is the device's (512 on the CPU, 2048 on a GPU, 8192 from "
                 "70 GiB on)");
  scheduling.add(
      "--step-time-target", s.step_time_target,
      "milliseconds of a step with answers in it, which prompts keep to unless the answers alone "
      "take half of it; 0: none; "
      "default 40 on the CPU, 0 on a GPU");
  scheduling.add("--speculative-method", s.speculative_method, "how tokens to verify are drafted")
      ->check(CLI::IsMember({"none", "ngram"}));
  scheduling.add("--num-speculative-tokens", s.num_speculative_tokens,
                 "the most drafts of a sequence and step");
  scheduling.add_flag("--enable-prefix-caching,!--no-enable-prefix-caching",
                      s.enable_prefix_caching,
                      "reuse the KV blocks of equal prompt beginnings; on unless switched off");
  scheduling.add("--scheduling-policy", s.policy, "who goes first")
      ->check(CLI::IsMember({"fcfs", "priority"}));
  scheduling.add("--seed", s.seed, "of requests that bring none");
}

void add_http_options(CLI::App& app, HttpSettings& s) {
  const Group listeners(app, "Listeners");
  listeners.add("--host", s.host, "address to listen on");
  listeners.add("--port", s.port, "0 is any free one")->check(CLI::Range(0, 65535));
  listeners.add("--uds", s.uds, "unix socket to listen on instead of host and port");
  listeners.add("--admin-host", s.admin_host, "address of the health and metrics listener");
  listeners.add("--admin-port", s.admin_port, "0 is any free one, -1 is none")
      ->check(CLI::Range(-1, 65535));
  listeners.add("--http-threads", s.num_threads, "threads that parse, render and tokenize");
  listeners.add("--max-connections", s.max_connections, "open at once; more are turned away");
  listeners.add("--max-body-bytes", s.max_body_bytes, "largest request body, e.g. 16MiB")
      ->transform(CLI::AsSizeValue(false));
  listeners.add("--header-timeout", s.header_timeout, "seconds for a request's head");
  listeners.add("--body-timeout", s.body_timeout, "seconds for a request's body");
  listeners.add("--idle-timeout", s.idle_timeout, "seconds an unused connection stays open");
  listeners.add("--write-timeout", s.write_timeout,
                "seconds after which a client that reads nothing is cut");
  listeners.add("--sse-keep-alive-interval", s.sse_keep_alive_interval,
                "seconds between signs of life on a silent stream");
}

void add_limit_options(CLI::App& app, LimitSettings& s, SchedulerSettings& scheduler) {
  const Group limits(app, "Limits");
  limits.add("--max-num-queued-reqs", scheduler.max_num_queued_reqs,
             "requests that may wait; more get 429");
  limits.add("--max-num-queued-tokens", s.max_num_queued_tokens,
             "prompt tokens that may be inside; more get 429; 0 is derived from the other limits");
  limits.add("--queue-timeout", s.queue_timeout, "seconds a request may wait; then 503");
  limits.add("--request-timeout", s.request_timeout, "seconds an answer may take; then 504");
  limits.add("--shutdown-timeout", s.shutdown_timeout,
             "seconds that answers may go on after SIGTERM");
  limits.add("--max-n", s.max_n, "largest n of a request");
}

std::vector<std::string> with_auto(std::vector<std::string> names) {
  names.insert(names.begin(), {"auto", "none"});
  return names;
}

// What a model needs beyond loading it, and only a server does.
void add_serving_options(CLI::App& app, ModelSettings& s) {
  const Group model(app, "Model");
  model.add("--tokenizer", s.tokenizer, kTokenizerHelp);
  model.add_list("--served-model-name", s.served_names,
                 "name in the API (several); default: the directory's");
  model
      .add("--tool-call-parser", s.tool_call_parser,
           "how the model writes tool calls; auto is as its template does")
      ->check(CLI::IsMember(with_auto(tool_dialect_names())));
  model
      .add("--reasoning-parser", s.reasoning_parser,
           "how the model marks its reasoning; auto is as its template does")
      ->check(CLI::IsMember(with_auto(reasoning_style_names())));
}

// A command that ends when its user interrupts it needs no deadline.
void add_watch_options(CLI::App& app, DeviceSettings& s) {
  Group(app, "Device")
      .add("--device-timeout", s.device_timeout,
           "seconds that a step may take (loading: five times as many without progress) before the "
           "device counts as hung and the server ends; 0 is for ever; default 60, on the CPU 0");
}

void add_access_options(CLI::App& app, AccessSettings& s) {
  const Group access(app, "Access");
  access.add_list("--api-key", s.api_keys,
                  "key that clients must send (repeatable; visible to other users of the machine)");
  access.add("--api-key-file", s.api_key_file,
             "file with one key per line, not readable by others");
  access.add_flag("--insecure-no-auth", s.insecure_no_auth,
                  "listen beyond this machine without any key");
}

void add_log_options(CLI::App& app, LogSettings& s) {
  const Group logs(app, "Logs");
  logs.add("--log-level", s.level)
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));
  logs.add("--log-format", s.format)->check(CLI::IsMember({"text", "json"}));
}

void add_replica_options(CLI::App& app, ReplicaSettings& s) {
  std::vector<std::string> policies;
  for (const RoutingPolicyName& policy : kRoutingPolicies) policies.emplace_back(policy.name);
  const Group replicas(app, "Replicas");
  replicas.add("--data-parallel-size,--dp", s.data_parallel_size,
               "engines of the model in this process, not on a GPU: no client sees that one fails");
  replicas.add("--routing-policy", s.routing_policy, "which replica gets a request")
      ->check(CLI::IsMember(std::move(policies)));
  replicas.add("--max-replays", s.max_replays,
               "failures of its replicas that a request survives; one more ends it; 0: none");
  replicas.add("--replica-stall-timeout", s.replica_stall_timeout,
               "seconds without progress after which a replica with work is out of service; 0 is "
               "for ever");
}

void add_serve_options(CLI::App& app, Settings& s) {
  add_model_options(app, s.models.front());
  add_device_options(app, s.device);
  add_watch_options(app, s.device);
  add_scheduler_options(app, s.scheduler);
  add_http_options(app, s.http);
  add_limit_options(app, s.limits, s.scheduler);
  add_serving_options(app, s.models.front());
  add_access_options(app, s.access);
  add_replica_options(app, s.replicas);
}

void add_plan_options(CLI::App& app, Settings& s) {
  add_model_options(app, s.models.front());
  add_device_options(app, s.device);
  add_scheduler_options(app, s.scheduler);
  app.add_flag("--json", s.plan.json, "as JSON instead of a table");
}

void add_check_options(CLI::App& app, Settings& s) {
  app.add_option(kModelPath, s.models.front().path, kModelPathHelp);
  app.add_option("--tokenizer", s.models.front().tokenizer, kTokenizerHelp);
  app.add_flag("--deep", s.check.deep, "read every weight and refuse NaN and infinity");
}

void add_tokenize_options(CLI::App& app, Settings& settings) {
  TokenizeSettings& s = settings.tokenize;
  app.add_option(kModelPath, settings.models.front().path, kModelPathHelp);
  app.add_option("TEXT", s.text, "default: standard input");
  app.add_option("--tokenizer", settings.models.front().tokenizer, kTokenizerHelp);
  app.add_flag("--decode", s.decode, "the text is token ids, to be turned into text");
  app.add_flag("!--no-special-tokens", s.special_tokens, "without those that the tokenizer adds");
}

void add_client_options(const Group& options, ClientSettings& s) {
  options.add("--url", s.url, "of a running server");
  options.add("--model", s.model, "default: the first one served");
}

void add_chat_options(CLI::App& app, ClientSettings& client, ChatSettings& s) {
  const Group options(app, kOptions);
  add_client_options(options, client);
  options.add("--system", s.system_prompt, "system message");
  options.add("--temperature", s.temperature);
  options.add("--max-tokens", s.max_tokens, "of one answer; 0 is the server's default");
  options.add_list("--api-key", client.api_keys);
}

void add_bench_serve_options(CLI::App& app, ClientSettings& client, BenchServeSettings& s) {
  const CLI::Range count(1, 1 << 20);
  const Group options(app, kOptions);
  add_client_options(options, client);
  options.add_list("--api-key", client.api_keys);
  options.add("--num-prompts", s.num_prompts, "requests in total")->check(count);
  options.add("--max-concurrency", s.max_concurrency, "requests at once")
      ->check(CLI::Range(1, 4096));
  options
      .add("--request-rate", s.request_rate,
           "requests per second that arrive (a Poisson process); 0 is all at once")
      ->check(CLI::Range(0.0, 1e6));
  options.add("--input-len", s.input_len, "tokens of each prompt")->check(count);
  options.add("--output-len", s.output_len, "tokens of each answer")->check(count);
  options.add("--vocab-size", s.vocab_size, "prompts are random token ids below this")
      ->check(CLI::Range(1, 1 << 30));
  options.add("--seed", s.seed, "of prompts and arrivals");
  options.add(
      "--extra-body", s.extra_body,
      "JSON object whose fields each request has too, e.g. '{\"repetition_penalty\": 1.1}'");
  options.add_flag("--json", s.json, "as JSON instead of a table");
}

void add_bench_model_options(CLI::App& app, Settings& settings) {
  BenchModelSettings& s = settings.bench_model;
  add_model_options(app, settings.models.front());
  add_device_options(app, settings.device);
  const Group options(app, kOptions);
  options.add("--max-num-batched-tokens", settings.scheduler.max_num_batched_tokens,
              "tokens of one step; 0 is the device's");
  options.add_list("--decode", s.decode, "steps to time, each BATCHxCONTEXT")
      ->delimiter(',')
      ->capture_default_str();
  options.add("--prefill", s.prefill, "prompts to time, each in tokens")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  options.add("--steps", s.steps, "of each decode")->check(CLI::Range(1, 100000));
  options.add("--repetitions", s.repetitions, "of each prefill")->check(CLI::Range(1, 1000));
}

void add_bench_fleet_options(CLI::App& app, BenchFleetSettings& s) {
  std::vector<std::string> policies = {"all"};
  for (const RoutingPolicyName& policy : kRoutingPolicies) policies.emplace_back(policy.name);
  const Group options(app, kOptions);
  options.add("--policy", s.policy, "which replica gets a request")
      ->check(CLI::IsMember(std::move(policies)));
  options.add("--replicas", s.replicas);
  options.add("--request-rate", s.request_rate, "requests per second, on average");
  options.add("--duration", s.duration, "virtual seconds in which requests arrive");
  options
      .add("--workload", s.workload,
           "chat: conversations that share system prompts; unique: prompts that share nothing; "
           "bursts: chat, five times as much for 10 s now and then")
      ->check(CLI::IsMember({"chat", "unique", "bursts"}));
  options.add("--front-ends", s.front_ends,
              "processes that place requests, each knowing only its own");
  options.add("--report-delay-ms", s.report_delay_ms,
              "milliseconds until they hear what a replica has done, its death apart");
  options.add("--seed", s.seed, "of conversations, failures and choices");
  options.add_flag("--json", s.json, "as JSON instead of a table");
  const Group replica(app, "Replica");
  replica
      .add("--replica-model", s.replica_model,
           "fast: a queue, a running set and a cache of prompt beginnings; exact: the real "
           "scheduler and block pool, for few replicas")
      ->check(CLI::IsMember({"fast", "exact"}));
  replica.add("--step-ms", s.step_ms, "milliseconds of a step, which bench model measures...");
  replica.add("--decode-token-ms", s.decode_token_ms, "...and of each answer in it...");
  replica.add("--prefill-token-ms", s.prefill_token_ms, "...and of each token of a prompt");
  replica.add("--max-num-batched-tokens", s.max_num_batched_tokens, "tokens of one step");
  replica.add("--max-num-seqs", s.max_num_seqs, "sequences that run at once");
  replica.add("--kv-cache-tokens", s.kv_cache_tokens, "tokens that the KV cache holds");
  const Group failures(app, "Failures");
  failures.add("--slow-share", s.slow_share, "share of the replicas that are half as fast");
  failures.add("--crash-mtbf", s.crash_mtbf,
               "seconds from the start of a replica to its crash, on average; 0: never");
  failures.add("--hang-mtbf", s.hang_mtbf, "seconds until it hangs, on average; 0: never");
}

void add_bench_kernels_options(CLI::App& app, BenchKernelsSettings& s) {
  const Group options(app, kOptions);
  options.add("FAMILY", s.families,
              "ceilings, cases, gemm, decode, prefill, overlap, norm, sample; default: all");
  options.add("--dtype", s.dtype, "of the operands; auto is bfloat16")
      ->check(CLI::IsMember({"auto", "float16", "bfloat16"}));
  options.add_flag("--tiny", s.tiny, "small shapes, for the emulated GPU and compute-sanitizer");
  options.add_flag("--predict", s.predict,
                   "run nothing: what models of the kernels say of H100 and H200");
}

void add_bench_check_options(CLI::App& app, Settings& s) {
  add_device_options(app, s.device);
  app.add_flag("--tiny", s.bench_check.tiny,
               "smaller models, for the emulated GPU and compute-sanitizer");
}

}  // namespace

void add_options(CLI::App& command, CommandKind kind, Settings& settings) {
  switch (kind) {
    case CommandKind::kServe:
      add_serve_options(command, settings);
      break;
    case CommandKind::kPlan:
      add_plan_options(command, settings);
      break;
    case CommandKind::kCheck:
      add_check_options(command, settings);
      break;
    case CommandKind::kTokenize:
      add_tokenize_options(command, settings);
      break;
    case CommandKind::kChat:
      return add_chat_options(command, settings.client, settings.chat);
    case CommandKind::kBenchServe:
      return add_bench_serve_options(command, settings.client, settings.bench_serve);
    case CommandKind::kBenchModel:
      add_bench_model_options(command, settings);
      break;
    case CommandKind::kBenchFleet:
      return add_bench_fleet_options(command, settings.bench_fleet);
    case CommandKind::kBenchKernels:
      add_bench_kernels_options(command, settings.bench_kernels);
      break;
    case CommandKind::kBenchCheck:
      add_bench_check_options(command, settings);
      break;
  }
  add_log_options(command, settings.log);
}

}  // namespace ember
