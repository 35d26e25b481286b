// SPDX-License-Identifier: Apache-2.0
// The command line, the environment (EMBER_*) and the settings file as one plain struct.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ember/base/start_error.h"

namespace ember {

enum class CommandKind {
  kServe,
  kPlan,
  kCheck,
  kTokenize,
  kChat,
  kBenchServe,
  kBenchModel,
  kBenchKernels,
  kBenchCheck
};

// Everything that flags can say. One name per setting everywhere: flag --max-num-seqs, environment
// EMBER_MAX_NUM_SEQS, key "max_num_seqs" of the settings file. A flag overrides the environment,
// which overrides the file.
struct Settings {
  CommandKind command = CommandKind::kServe;

  // serve and plan: the model
  std::string model_path;
  std::vector<std::string> served_model_name;  // empty: the directory's name
  std::string tool_call_parser = "auto",
              reasoning_parser = "auto";  // names, "none" or "auto": as the template has it
  std::string chat_template;              // a file; empty: the model's own
  std::string dtype = "auto";
  std::string load_format = "auto";  // or dummy: random weights
  int64_t max_model_len = 0;         // 0: the model's

  // serve and plan: the device
  std::string device = "auto";
  std::string cpu_isa = "auto";
  int cpu_threads = 0;  // 0: as many as this process may run on
  std::optional<double> gpu_memory_utilization;
  std::optional<uint64_t> kv_cache_memory_bytes;
  int block_size = 0;        // tokens; 0: the device's
  int64_t fake_step_ms = 0;  // --device fake only

  // serve and plan: scheduling
  int max_num_seqs = 256;
  int max_num_batched_tokens = 0;  // 0: the device's
  bool enable_prefix_caching = true;
  std::string scheduling_policy = "fcfs";
  uint64_t seed = 0;

  // serve: bounds. Times in seconds
  int max_num_queued_reqs = 512;
  int64_t max_num_queued_tokens = 0;  // 0: derived
  double queue_timeout = 60;
  double request_timeout = 600;
  double shutdown_timeout = 30;
  int max_n = 8;

  // serve: listeners
  std::string host = "127.0.0.1";
  int port = 8000;
  std::string uds;
  std::string admin_host = "127.0.0.1";
  int admin_port = 8001;  // -1: none
  int http_threads = 4;
  int max_connections = 10000;
  uint64_t max_body_bytes = 16 * 1024 * 1024;
  double header_timeout = 10;
  double body_timeout = 30;
  double idle_timeout = 60;
  double write_timeout = 30;
  double sse_keep_alive_interval = 15;

  // serve: keys
  std::vector<std::string> api_key;
  std::string api_key_file;
  bool insecure_no_auth = false;

  std::string notify_socket;  // systemd's NOTIFY_SOCKET; empty: none

  std::string log_level = "info";
  std::string log_format = "text";

  bool json = false;                          // plan and bench serve
  bool deep = false;                          // check
  std::string text;                           // tokenize; empty: standard input
  bool decode = false;                        // tokenize: text holds ids
  bool special_tokens = true;                 // tokenize: with those the tokenizer adds
  std::string url = "http://127.0.0.1:8000";  // chat and bench serve
  std::string model;                          // chat and bench serve
  std::string system_prompt;                  // chat
  std::optional<double> temperature;          // chat
  int max_tokens = 0;                         // chat; 0: the server's default

  // bench serve; `seed` too
  int num_prompts = 100;
  int max_concurrency = 256;
  double request_rate = 0;  // per second; 0: all at once
  int input_len = 512, output_len = 128;
  int vocab_size = 1000;  // token ids of prompts are below it

  // bench model
  std::vector<std::string> decode_cases = {"1x1024", "8x1024", "64x1024",
                                           "256x512"};  // BATCHxCONTEXT
  std::vector<int> prefill_cases = {1024, 8192};        // tokens
  int steps = 32, repetitions = 3;

  std::vector<std::string> families;  // bench kernels; empty: all
  bool tiny = false;                  // bench kernels and check
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
