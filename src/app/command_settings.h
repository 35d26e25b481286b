// SPDX-License-Identifier: Apache-2.0
// Settings that belong to one command of `ember` or to two of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ember {

struct PlanSettings {
  // As JSON instead of a table.
  bool json = false;
};

struct CheckSettings {
  // Reads every weight and refuses NaN and infinity.
  bool deep = false;
};

struct TokenizeSettings {
  // What to tokenize. Empty: standard input.
  std::string text;
  // The text holds token ids, to be turned into text.
  bool decode = false;
  // With the special tokens that the tokenizer adds, such as the one that begins a text.
  bool special_tokens = true;
};

// The running server that chat and bench serve talk to.
struct ClientSettings {
  std::string url = "http://127.0.0.1:8000";
  // The name of the model. Empty: the first one that the server lists.
  std::string model;
  // At most one is sent: the first.
  std::vector<std::string> api_keys;
};

struct ChatSettings {
  std::string system_prompt;
  // Not set: the server's.
  std::optional<double> temperature;
  // Of one answer. 0: the server's default.
  int max_tokens = 0;
};

struct BenchServeSettings {
  int num_prompts = 100;
  // Requests at once.
  int max_concurrency = 256;
  // Arrivals per second, a Poisson process. 0: all at once.
  double request_rate = 0;
  // Tokens of each prompt and of each answer.
  int input_len = 512, output_len = 128;
  // Prompts are random token ids below this.
  int vocab_size = 1000;
  // Of prompts and arrivals.
  uint64_t seed = 0;
  // A JSON object whose fields each request has too.
  std::string extra_body;
  // As JSON instead of a table.
  bool json = false;
};

struct BenchModelSettings {
  // Decode steps to time, each BATCHxCONTEXT, the context in tokens.
  std::vector<std::string> decode = {"1x1024", "8x1024", "64x1024", "256x512"};
  // Prompts to time, each in tokens.
  std::vector<int> prefill = {1024, 8192};
  // Steps of each decode, runs of each prefill.
  int steps = 32, repetitions = 3;
};

// A simulated fleet. Times in seconds unless they say milliseconds.
struct BenchFleetSettings {
  // A name of kRoutingPolicies, or "all" of them, one after the other.
  std::string policy = "all";
  int replicas = 1000;
  // Requests that arrive a second, and for how long.
  double request_rate = 8000, duration = 60;
  // "chat": conversations that share system prompts; "unique": prompts that share nothing;
  // "bursts": chat whose conversations come in bursts.
  std::string workload = "chat";
  // "fast": a queue, a running set and a cache of prompt beginnings; "exact": the real scheduler.
  std::string replica_model = "fast";
  // Processes that place requests, each with its own view, and how late they hear of the replicas.
  int front_ends = 1;
  double report_delay_ms = 0;
  // Share of the replicas that take twice as long for everything.
  double slow_share = 0;
  // From the start of a replica to its crash, and until it hangs, on average. 0: never.
  double crash_mtbf = 0, hang_mtbf = 0;
  // What a step takes, in milliseconds, and what each token of an answer and of a prompt adds. Set
  // them to what bench model measured.
  double step_ms = 8, decode_token_ms = 0.03, prefill_token_ms = 0.03;
  // Tokens of one step, sequences that run at once, tokens that the KV cache holds.
  int max_num_batched_tokens = 8192, max_num_seqs = 256;
  int64_t kv_cache_tokens = 400000;
  // Of conversations, failures and choices.
  uint64_t seed = 0;
  // As JSON instead of a table.
  bool json = false;
};

struct BenchKernelsSettings {
  // Which kernels: "ceilings", "cases", "gemm", "decode", "prefill", "overlap", "norm", "sample".
  // Empty: all.
  std::vector<std::string> families;
  // Of the operands: "float16", or "bfloat16", which "auto" is.
  std::string dtype = "auto";
  // Small shapes, for the emulated GPU and compute-sanitizer.
  bool tiny = false;
  // Nothing runs: what models of the kernels say of H100 and H200.
  bool predict = false;
};

struct BenchCheckSettings {
  // Smaller models, for the emulated GPU and compute-sanitizer.
  bool tiny = false;
};

}  // namespace ember
