// SPDX-License-Identifier: Apache-2.0
// The settings of the command line, the environment and the settings file, grouped by the code that
// reads them.
//
// One name per setting everywhere: flag --max-num-seqs, environment variable EMBER_MAX_NUM_SEQS,
// key "max_num_seqs" of the settings file. A flag overrides the environment, which overrides the
// file. A new setting is a field here, its flag in options.cpp and, where not every value is good,
// its bounds in check_settings.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ember {

// One model: what is loaded and how clients see it.
struct ModelSettings {
  // The model: a directory with config.json, tokenizer.json and safetensors; a GGUF file (of a
  // split set: the first one); or a directory that holds one. Required.
  std::string path;

  // Names under which clients may ask for the model; the first one stands in answers. Empty: the
  // name of the directory. Change it when clients expect a certain name.
  std::vector<std::string> served_names;

  // How the model writes tool calls: a name from tool_dialect_names(), "none", or "auto": as its
  // chat template teaches it. Change it when the log shows that auto finds the wrong one.
  std::string tool_call_parser = "auto";

  // How the model marks its reasoning: a name from reasoning_style_names(), "none" or "auto".
  // Change it for the same reason.
  std::string reasoning_parser = "auto";

  // Where the tokenizer is: a directory, a tokenizer.json, tokenizer.model or .tiktoken file, or a
  // GGUF file. Empty: with the model. What comes with it (names of tokens, the chat template) is
  // taken from there; what the model says of answers (generation_config.json) stays. Set it for a
  // model whose own is of an unknown kind, or broken.
  std::string tokenizer;

  // A file with a Jinja chat template. Empty: the model's own. Set it for a model that has none, or
  // a broken one.
  std::string chat_template;

  // The type of the weights in memory: "float16", "bfloat16", "float32", or "auto": the
  // checkpoint's. Quantised weights stay so where the device multiplies with them; elsewhere FP8
  // becomes the type that config.json names, and the others float16. Set it to halve the memory of
  // a float32 checkpoint.
  std::string dtype = "auto";

  // "dummy" fills the weights with random numbers instead of reading them, so that any config.json
  // can be measured. "auto" reads them.
  std::string load_format = "auto";

  // Tokens of a sequence, prompt and answer. 0: the model's context, shortened with a warning to
  // what the KV cache holds. A value that does not fit is an error. Lower it to run more sequences
  // at once.
  int64_t max_model_len = 0;
};

enum class DeviceKind { kAuto, kCpu, kCuda, kFake };

// Where a model runs.
struct DeviceSettings {
  // kAuto: an NVIDIA GPU, or the CPU where there is no sign of one. Set it to be sure. kFake
  // computes no model; it is for tests of everything around one.
  DeviceKind kind = DeviceKind::kAuto;

  // Which GPU, as the CUDA driver counts them from 0. Set it (--device cuda:1) to use another one
  // than the first.
  int index = 0;

  // The newest instruction set that the CPU device uses: "avx2", "avx512", "amx", or "auto": the
  // best of this processor. "avx2" and "avx512" compute the same bits on every machine.
  std::string cpu_isa = "auto";

  // What activations become where they are multiplied with quantised weights on the CPU: "int16";
  // "int8", which is faster and rounds more; or "float", which dequantises the weights at load (to
  // --dtype). Set float for a reference.
  std::string cpu_activations = "int16";

  // How many ranks share the model: each has a part of every layer, and they compute each step
  // together. 1, 2, 4 or 8, as far as the model's heads can be divided; on the CPU only. More than
  // 1 helps where the ranks have memory of their own: a socket each.
  int tensor_parallel_size = 1;

  // Threads of the CPU device, which its ranks share. 0: as many as this process may run on. Lower
  // it when the machine has other work.
  int cpu_threads = 0;

  // Share, (0, 1], of a GPU's memory or of the host's available memory that weights, activations
  // and KV cache may use. Not set: 0.9 of a GPU's own, 0.5 of the host's, which the CPU uses and an
  // integrated GPU. Lower it when other programs need the memory.
  std::optional<double> memory_utilization;

  // The exact size of the KV cache in bytes; overrides the share. Set it for the same capacity on
  // different machines.
  std::optional<uint64_t> kv_cache_bytes;

  // What a CUDA device may use: recorded steps (graphs), kernels that begin before the one before
  // has ended, cuBLASLt. Switch one off to find out whether it causes a wrong result.
  bool cuda_graphs = true;
  bool cuda_overlap = true;
  bool cuda_cublas = true;

  // Every kernel is waited for, so that an error names the one that failed; without graphs. For
  // finding a fault only.
  bool cuda_sync = false;

  // How many seconds a step may take, and five times as many what the device does between two signs
  // of progress while it loads. After that the device counts as hung, and the server ends. 0: for
  // ever. Not set: 60 on a GPU, for ever on the CPU. Raise it where a GPU is slow to start.
  std::optional<double> device_timeout;

  // Tokens of a KV block, a power of two. 0: 16 on the CPU; a GPU has 64 and no other. A smaller
  // block shares more of short common prefixes.
  int block_size = 0;

  // How long a step of the fake device takes, in milliseconds.
  int64_t fake_step_ms = 0;

  // What befalls fake devices, see fake_faults.h: for tests of what is done about it.
  std::string fake_faults;
};

// How requests share the device.
struct SchedulerSettings {
  // Sequences that run at once. Lower it for latency, raise it for throughput with short answers.
  int max_num_seqs = 256;

  // Tokens that one step computes. 0: 512 on the CPU, 2048 on a GPU, 8192 on one with at least 70
  // GiB of its own. A lower value lets running answers wait less for a long prompt; a higher one
  // computes prompts faster.
  int max_num_batched_tokens = 0;

  // How long a step with answers in it may take, in milliseconds: prompts get as much of it as
  // keeps to that, and may always double it. 0: no target. Not set: 40 on the CPU, none on a GPU.
  // Lower it when running answers stall while a long prompt comes in; raise it to begin answers
  // sooner.
  std::optional<double> step_time_target;

  // Drafts of tokens that may follow, which a step then verifies: "ngram", what followed when the
  // sequence said the same before; "none". Answers are the same with both, on a GPU where steps
  // have up to 256 tokens: in longer ones last bits depend on how many there are. Set it for
  // answers that repeat much of their prompt, and few clients.
  std::string speculative_method = "none";

  // The most drafts of a sequence and step; fewer are made where they seldom come true or the
  // device has enough to do. Only with a method.
  int num_speculative_tokens = 7;

  // Equal beginnings of prompts share their KV blocks. Switch it off to compare timings.
  bool enable_prefix_caching = true;

  // Which waiting request goes first: "fcfs", the oldest; "priority", the one with the smallest
  // `priority`. Change it when some requests are more urgent than others.
  std::string policy = "fcfs";

  // Requests that may wait to run; more are refused with 429. Lower it to refuse early, raise it
  // for bursts.
  int max_num_queued_reqs = 512;

  // Seed of requests that bring none, combined with the request's id. Change it to draw other
  // answers.
  uint64_t seed = 0;
};

// Everything that one engine is made of.
struct EngineSettings {
  ModelSettings model;
  DeviceSettings device;
  SchedulerSettings scheduler;
  int num_made = 0;  // engines of this model by this process before; see fake_faults.h
};

// Several engines of one model in this process.
struct ReplicaSettings {
  // How many. They divide the CPU's threads and the memory among them. More than one: the crash of
  // one is seen by no client. Not with a GPU.
  int data_parallel_size = 1;

  // Which replica gets a request: a name from kRoutingPolicies. "prefix" takes the one where the
  // answer is predicted to end first, given what each has cached. Change it to compare.
  std::string routing_policy = "prefix";

  // So many failures of its replicas does a request survive; one more ends it. 0: none. Raise it
  // where replicas fail for reasons of their own.
  int max_replays = 2;

  // A replica with work and without progress for so many seconds is out of service. 0: for ever.
  // Raise it where one step may take so long.
  double replica_stall_timeout = 60;
};

// The two listeners and their connections. Times in seconds.
struct HttpSettings {
  // Address and port for clients; port 0 is any free one. A host that other machines reach needs
  // keys.
  std::string host = "127.0.0.1";
  int port = 8000;

  // A unix socket for clients instead of host and port. Set it behind a proxy on this machine.
  std::string uds;

  // Address and port for health, metrics and the operator; port 0 is any free one, -1 none. Change
  // the host to let Prometheus in from another machine.
  std::string admin_host = "127.0.0.1";
  int admin_port = 8001;

  // Threads that parse, render and tokenize. Raise it for long prompts at a high rate.
  int num_threads = 4;

  // Connections that may be open at once; more are turned away. Lowered to what the limit on open
  // files allows.
  int max_connections = 10000;

  // The largest body of a request, in bytes. Raise it for very long prompts.
  uint64_t max_body_bytes = 16 * 1024 * 1024;

  // Time for a request's head, and for its body. Raise them for slow uploads.
  double header_timeout = 10;
  double body_timeout = 30;

  // How long an unused connection stays open. Keep it above the time-out of a proxy in front.
  double idle_timeout = 60;

  // A client that reads nothing for so long is cut.
  double write_timeout = 30;

  // Time between signs of life on a silent stream. Keep it below the time-out of a proxy in
  // between.
  double sse_keep_alive_interval = 15;
};

// What clients may ask for. Times in seconds.
struct LimitSettings {
  // Prompt tokens of all requests that run or wait; more are refused with 429. 0: as many as the
  // requests that may run or wait could have. Set it when prompts differ much in length.
  int64_t max_num_queued_tokens = 0;

  // A request that has waited so long to run is answered with 503. Keep it below the patience of
  // the clients.
  double queue_timeout = 60;

  // An answer that takes longer is ended with 504. Raise it for long answers on slow machines.
  double request_timeout = 600;

  // How long answers may go on after SIGTERM. Keep it below that of the service manager.
  double shutdown_timeout = 30;

  // The largest `n` of a request: answers to one prompt.
  int max_n = 8;
};

// Who may send requests.
struct AccessSettings {
  // Keys, one of which clients must send. Other users of the machine can read them in the list of
  // processes.
  std::vector<std::string> api_keys;

  // A file with one key per line, which others must not be able to read. SIGHUP reads it again.
  std::string api_key_file;

  // Lets other machines in without any key. Set it behind a proxy that asks for keys.
  bool insecure_no_auth = false;
};

struct LogSettings {
  // "trace", "debug", "info", "warn", "error" or "off". "debug" shows every answer.
  std::string level = "info";

  // "text", or "json" for log collectors: one object per line.
  std::string format = "text";
};

}  // namespace ember
