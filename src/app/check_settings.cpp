// SPDX-License-Identifier: Apache-2.0
#include "check_settings.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>

#include "fake_faults.h"

namespace ember {

namespace {

[[noreturn]] void refuse(const std::string& what) { throw StartError(ExitCode::kConfig, what); }

template <class T>
void in_range(const char* flag, T value, T low, T high) {
  if (!(value >= low && value <= high))
    refuse(fmt::format("{} {}: must be {} to {}", flag, value, low, high));
}

void check_seconds(const char* flag, double value, double low = 0.001) {
  constexpr double kYear = 365 * 86400.0;
  in_range(flag, value, low, kYear);
}

void check_device(const DeviceSettings& s) {
  in_range("--cpu-threads", s.cpu_threads, 0, 1024);
  in_range("--tensor-parallel-size", s.tensor_parallel_size, 1, 8);
  if ((s.tensor_parallel_size & (s.tensor_parallel_size - 1)) != 0)
    refuse(fmt::format("--tensor-parallel-size {}: must be 1, 2, 4 or 8", s.tensor_parallel_size));
  if (s.memory_utilization && !(*s.memory_utilization > 0 && *s.memory_utilization <= 1))
    refuse(fmt::format("--gpu-memory-utilization {}: must be above 0 and at most 1",
                       *s.memory_utilization));
  in_range("--block-size", s.block_size, 0, 1024);
  if ((s.block_size & (s.block_size - 1)) != 0)
    refuse(fmt::format("--block-size {}: must be a power of two", s.block_size));
  if (s.device_timeout) check_seconds("--device-timeout", *s.device_timeout, 0);
  in_range<int64_t>("--fake-step-ms", s.fake_step_ms, 0, 60000);
  (void)fake_faults(s.fake_faults);
}

void check_scheduler(const SchedulerSettings& s) {
  in_range("--max-num-seqs", s.max_num_seqs, 1, 65536);
  in_range("--max-num-batched-tokens", s.max_num_batched_tokens, 0, 1 << 20);
  if (s.step_time_target) in_range("--step-time-target", *s.step_time_target, 0.0, 60000.0);
  in_range("--num-speculative-tokens", s.num_speculative_tokens, 1, 32);
  in_range("--max-num-queued-reqs", s.max_num_queued_reqs, 1, 1 << 20);
  if (s.max_num_batched_tokens > 0 && s.max_num_seqs > s.max_num_batched_tokens)
    refuse(
        fmt::format("--max-num-seqs {} is more than --max-num-batched-tokens {}: each running "
                    "sequence needs one token of a step",
                    s.max_num_seqs, s.max_num_batched_tokens));
}

void check_limits(const LimitSettings& s) {
  in_range<int64_t>("--max-num-queued-tokens", s.max_num_queued_tokens, 0, int64_t{1} << 40);
  in_range("--max-n", s.max_n, 1, 128);
  check_seconds("--queue-timeout", s.queue_timeout);
  check_seconds("--request-timeout", s.request_timeout);
  check_seconds("--shutdown-timeout", s.shutdown_timeout, 0);
}

void check_http(const HttpSettings& s) {
  in_range("--http-threads", s.num_threads, 1, 256);
  in_range("--max-connections", s.max_connections, 1, 1 << 20);
  in_range<uint64_t>("--max-body-bytes", s.max_body_bytes, 1024, uint64_t{1} << 30);
  check_seconds("--header-timeout", s.header_timeout);
  check_seconds("--body-timeout", s.body_timeout);
  check_seconds("--idle-timeout", s.idle_timeout);
  check_seconds("--write-timeout", s.write_timeout);
  check_seconds("--sse-keep-alive-interval", s.sse_keep_alive_interval);
}

void check_replicas(const ReplicaSettings& s) {
  in_range("--data-parallel-size", s.data_parallel_size, 1, 64);
  in_range("--max-replays", s.max_replays, 0, 1000);
  check_seconds("--replica-stall-timeout", s.replica_stall_timeout, 0);
}

bool loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host == "[::1]" || host.starts_with("127.");
}

}  // namespace

void check_engine_settings(const EngineSettings& s) {
  if (s.model.path.empty()) throw StartError(ExitCode::kUsage, "--model-path is missing");
  in_range<int64_t>("--max-model-len", s.model.max_model_len, 0, 1 << 27);
  check_device(s.device);
  check_scheduler(s.scheduler);
}

void check_serve_settings(const Settings& s) {
  check_engine_settings(s.engine());
  check_limits(s.limits);
  check_http(s.http);
  check_replicas(s.replicas);
  const bool has_keys = !s.access.api_keys.empty() || !s.access.api_key_file.empty();
  if (s.http.uds.empty() && !loopback(s.http.host) && !has_keys && !s.access.insecure_no_auth)
    refuse(
        fmt::format("--host {} lets other machines in: give --api-key-file (or --insecure-no-auth, "
                    "if you mean it)",
                    s.http.host));
}

void check_bench_fleet_settings(const BenchFleetSettings& s) {
  constexpr int64_t kLongestText = 32768;  // of a conversation, with room for its last answer
  in_range("--replicas", s.replicas, 1, 100000);
  in_range("--request-rate", s.request_rate, 0.001, 1e6);
  check_seconds("--duration", s.duration);
  in_range("--step-ms", s.step_ms, 0.001, 60000.0);
  in_range("--decode-token-ms", s.decode_token_ms, 0.0, 60000.0);
  in_range("--prefill-token-ms", s.prefill_token_ms, 0.0, 60000.0);
  in_range("--max-num-batched-tokens", s.max_num_batched_tokens, 1, 1 << 20);
  in_range("--max-num-seqs", s.max_num_seqs, 1, std::min(s.max_num_batched_tokens, 65536));
  in_range("--kv-cache-tokens", s.kv_cache_tokens, kLongestText, int64_t{1} << 40);
  in_range("--front-ends", s.front_ends, 1, 64);
  in_range("--report-delay-ms", s.report_delay_ms, 0.0, 5000.0);
  in_range("--slow-share", s.slow_share, 0.0, 1.0);
  check_seconds("--crash-mtbf", s.crash_mtbf, 0);
  check_seconds("--hang-mtbf", s.hang_mtbf, 0);
}

int connections_that_fit(int max_connections) {
  constexpr rlim_t kOwn = 64;  // listeners, epoll, event descriptors, logs, model files
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return max_connections;
  const rlim_t wanted = static_cast<rlim_t>(max_connections) + kOwn;
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur < kOwn + 16)
    refuse(fmt::format("only {} files may be open (ulimit -n): at least {} are needed",
                       limit.rlim_cur, kOwn + 16));
  return static_cast<int>(
      std::min<rlim_t>(static_cast<rlim_t>(max_connections), limit.rlim_cur - kOwn));
}

}  // namespace ember
