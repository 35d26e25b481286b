// SPDX-License-Identifier: Apache-2.0
// What the host does for a step: engine, scheduler, batch, masks and the CUDA backend's host code,
// over a runtime that counts what it is asked for and does nothing. A decode step of a model of one
// layer costs the host what one of eighty does: one graph.
//
// Not in it: what the driver takes for its calls, and the hub's thread that reads the events.
//
// usage: host_bench [SEQUENCES,... [CONTEXT,... [plain,penalty,masks]]]
// CONTEXT: tokens, or "mixed": the longest for one sequence, 2048 for the others.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/temp_dir.h"
#include "ember/backend/cuda/cuda_backend.h"
#include "ember/base/integers.h"
#include "ember/base/mutex.h"
#include "ember/base/splitmix64.h"
#include "ember/engine/decoder_runner.h"
#include "ember/engine/engine_thread.h"
#include "ember/engine/memory_plan.h"
#include "ember/model/dummy_checkpoint.h"
#include "fake_runtime.h"
#include "kernels/sample.h"

namespace ember {
namespace {

constexpr int kVocab = 152064;  // Qwen2.5's
constexpr int kMaxSeqs = 256, kMaxContext = 32768, kSteps = 320;
constexpr int kTopOfVocab = 12;  // natural logarithm of kVocab, about

// Ids are drawn as words of a text are, the n-th most frequent 1/n as often as the first: 8192 of
// them are about 3600 different ones.
int32_t token_of(uint64_t random) {
  const double unit = static_cast<double>(mix_bits(random) >> 11) / 9007199254740992.0;
  return static_cast<int32_t>(std::exp(unit * kTopOfVocab) - 1) % kVocab;
}

double microseconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

thread_local double making_masks = 0;  // microseconds of this thread

// Allows everything, and takes as long as writing a mask does.
class Anything final : public TokenConstraint {
 public:
  State state() const override { return State::kOpen; }

 private:
  void accept(int32_t) override {}
  void fill_mask(std::span<uint32_t> words) override {
    static const std::vector<uint32_t> all(ceil_div(kVocab, 32), ~0u);
    const double begin = microseconds(CLOCK_MONOTONIC);
    std::copy_n(all.begin(), words.size(), words.begin());
    making_masks += microseconds(CLOCK_MONOTONIC) - begin;
  }
};

class AnythingSource final : public ConstraintSource {
 public:
  std::unique_ptr<TokenConstraint> start() const override { return std::make_unique<Anything>(); }
};

// What the sample kernels of launched steps are asked for, oldest first, in place of the device.
std::deque<kernels::SampleArgs> asked;  // the engine's thread's
bool serving = false;                   // the engine's thread's; before, steps end at once

// Whether that ends the step.
bool answer(const kernels::SampleArgs& args) {
  static uint64_t drawn = 0;
  for (int row = 0; row < args.rows; ++row) {
    args.out[row].token = token_of(++drawn);
    args.out[row].num_top = 0;
  }
  if (args.sequence == nullptr) return false;
  *args.sequence = args.sequence_value;
  return true;
}

void see(const fake_cuda::Kernel& kernel) {
  if (kernel.type == nullptr || *kernel.type != typeid(void (*)(kernels::SampleArgs, int, bool)))
    return;
  const auto& args = *static_cast<const kernels::SampleArgs*>(kernel.arguments[0]);
  if (serving)
    asked.push_back(args);
  else
    answer(args);
}

void answer_oldest_step() {
  for (bool last = false; !last; asked.pop_front()) last = answer(asked.front());
}

struct Moment {
  double wall = 0, cpu = 0, masks = 0;  // microseconds; the last: of them, in making masks
  int num_tokens = 0;
  fake_cuda::Stats calls;
};

// The device answers while the clock stands still.
class AnsweredRunner final : public StepRunner {
 public:
  AnsweredRunner(std::unique_ptr<StepRunner> runner, Moment& away)
      : runner_(std::move(runner)), away_(away) {}
  int max_in_flight() const override { return runner_->max_in_flight(); }
  void launch(const Step& step) override { runner_->launch(step); }
  void sample(const Step& step) override { runner_->sample(step); }
  std::span<const SampledToken> wait() override {
    const double wall = microseconds(CLOCK_MONOTONIC), cpu = microseconds(CLOCK_THREAD_CPUTIME_ID);
    answer_oldest_step();
    away_.cpu += microseconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    away_.wall += microseconds(CLOCK_MONOTONIC) - wall;
    return runner_->wait();
  }

 private:
  const std::unique_ptr<StepRunner> runner_;
  Moment& away_;
};

// Notes when each step ends, and waits for answers to end.
class Log final : public OutputSink {
 public:
  explicit Log(const Moment& away) : away_(away) {}
  void on_step(std::vector<TokenOutput> events, const StepReport& report) override {
    if (report.num_tokens > 0)
      moments_.push_back({.wall = microseconds(CLOCK_MONOTONIC) - away_.wall,
                          .cpu = microseconds(CLOCK_THREAD_CPUTIME_ID) - away_.cpu,
                          .masks = making_masks,
                          .num_tokens = report.num_tokens,
                          .calls = fake_cuda::stats()});
    MutexLock lock(mu_);
    for (const TokenOutput& event : events) num_finished_ += event.finish != FinishReason::kNone;
    if (!events.empty()) cv_.notify_all();
  }
  // What was noted until n answers had ended.
  std::vector<Moment> wait(int n) {
    MutexLock lock(mu_);
    while (num_finished_ < n) cv_.wait(mu_);
    num_finished_ = 0;
    return std::exchange(moments_, {});
  }

 private:
  const Moment& away_;
  std::vector<Moment> moments_;  // the engine's thread's while answers are made
  Mutex mu_;
  CondVar cv_;
  int num_finished_ GUARDED_BY(mu_) = 0;
};

DecoderConfig model() {
  const test::TempDir dir;
  nlohmann::json config = nlohmann::json::parse(
      std::ifstream(std::string(EMBER_SOURCE_DIR) + "/tests/data/tiny/llama2/config.json"));
  config.update({{"head_dim", 64},
                 {"num_attention_heads", 2},
                 {"num_key_value_heads", 1},
                 {"hidden_size", 128},
                 {"intermediate_size", 96},
                 {"num_hidden_layers", 1},
                 {"vocab_size", kVocab},
                 {"max_position_embeddings", kMaxContext + 2 * kSteps}});
  dir.write("config.json", config.dump());
  return load_decoder_config(dir.path());
}

struct Case {
  int sequences = 1;
  std::string context, kind;

  int context_of(int index) const {
    if (context != "mixed") return std::stoi(context);
    return index == 0 ? kMaxContext : 2048;
  }
};

Request request(const Case& c, int index, int max_tokens) {
  static RequestId last_id = 0;
  Request r;
  r.id = ++last_id;
  for (int i = 0; i <= c.context_of(index); ++i)
    r.prompt.push_back(token_of(static_cast<uint64_t>(index) << 32 | static_cast<uint64_t>(i)));
  r.max_tokens = max_tokens;
  r.sampling.seed = r.id;
  if (c.kind == "penalty") r.sampling.repetition_penalty = 1.05f;
  if (c.kind == "masks") r.constraint = std::make_shared<AnythingSource>();
  return r;
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return NAN;
  std::ranges::sort(values);
  return values.at(static_cast<size_t>(share * static_cast<double>(values.size() - 1)));
}

class HostBench {
 public:
  HostBench()
      : log_(away_), thread_([this](const LoadProgress&) {
          const DecoderConfig config = model();
          std::unique_ptr<Backend> backend = make_cuda_backend({});
          DecoderLimits limits{.max_tokens = 8192,
                               .max_logit_rows = kMaxSeqs,
                               .max_model_len = kMaxContext + 2 * kSteps,
                               .num_blocks = kMaxSeqs * (kMaxContext / kCudaBlockSize + 8),
                               .block_size = kCudaBlockSize};
          const MemoryPlan plan =
              plan_memory(
                  *backend, config, 1, limits, kMaxSeqs,
                  {.kv_cache_bytes = static_cast<size_t>(limits.num_blocks) *
                                     backend->kv_block_bytes(kv_cache_spec(config, limits))})
                  .front();
          backend->reserve(plan.total_bytes());
          auto decoder = std::make_unique<Decoder>(
              *backend, config, DummyCheckpoint(config, 1, DType::kBF16), LoadOptions{});
          const int threads = static_cast<int>(std::thread::hardware_concurrency());
          auto runner = std::make_unique<DecoderRunner>(
              std::make_unique<RankGroup>(std::move(backend), std::move(decoder)), limits, kMaxSeqs,
              threads);
          serving = true;
          return std::make_unique<Engine>(
              SchedulerConfig{.max_num_batched_tokens = limits.max_tokens,
                              .max_num_seqs = kMaxSeqs,
                              .max_num_logit_rows = limits.max_logit_rows,
                              .max_model_len = limits.max_model_len},
              BlockPoolConfig{.num_blocks = plan.num_blocks, .block_size = plan.block_size},
              std::make_unique<AnsweredRunner>(std::move(runner), away_), log_);
        }) {}

  nlohmann::ordered_json measure(const Case& c) {
    serve({c.sequences, c.context, "plain"}, 1);  // leaves the prompts in the prefix cache
    const std::vector<Moment> moments = serve(c, kSteps);
    std::vector<double> wall, cpu, masks;
    uint64_t tokens = 0;
    fake_cuda::Stats calls;  // sums over steps in which at most one token of each is computed
    for (size_t i = 1; i < moments.size(); ++i) {
      const Moment &before = moments[i - 1], &now = moments[i];
      const auto steady = [&](int n) { return n <= c.sequences && n >= c.sequences / 3; };
      if (i < moments.size() / 4 || !steady(before.num_tokens) || !steady(now.num_tokens)) continue;
      tokens += static_cast<uint64_t>(now.num_tokens);
      wall.push_back(now.wall - before.wall);
      cpu.push_back(now.cpu - before.cpu);
      masks.push_back(now.masks - before.masks);
      calls.num_launches += now.calls.num_launches - before.calls.num_launches;
      calls.num_graph_launches += now.calls.num_graph_launches - before.calls.num_graph_launches;
      calls.num_copies += now.calls.num_copies - before.calls.num_copies;
      calls.copied_bytes += now.calls.copied_bytes - before.calls.copied_bytes;
      calls.num_waits += now.calls.num_waits - before.calls.num_waits;
      calls.num_queries += now.calls.num_queries - before.calls.num_queries;
      calls.num_attributes += now.calls.num_attributes - before.calls.num_attributes;
    }
    const auto each = [&](uint64_t n) {
      return std::round(10 * static_cast<double>(n) /
                        static_cast<double>(std::max<size_t>(wall.size(), 1))) /
             10;
    };
    return {{"bench", "host"},
            {"sequences", c.sequences},
            {"context", c.context},
            {"kind", c.kind},
            {"steps", wall.size()},
            {"tokens", each(tokens)},
            {"us", std::round(percentile(wall, 0.5))},
            {"us_p90", std::round(percentile(wall, 0.9))},
            {"cpu_us", std::round(percentile(cpu, 0.5))},
            {"cpu_us_p90", std::round(percentile(cpu, 0.9))},
            {"masks_us", std::round(percentile(masks, 0.5))},
            {"copies", each(calls.num_copies)},
            {"copied_bytes", each(calls.copied_bytes)},
            {"graphs", each(calls.num_graph_launches)},
            {"kernels", each(calls.num_launches)},
            {"waits", each(calls.num_waits)},
            {"queries", each(calls.num_queries)},
            {"attributes", each(calls.num_attributes)}};
  }

 private:
  std::vector<Moment> serve(const Case& c, int max_tokens) {
    const std::shared_ptr<Engine> engine = thread_.engine();
    std::vector<Request> requests;
    for (int i = 0; i < c.sequences; ++i) requests.push_back(request(c, i, max_tokens));
    for (Request& r : requests) engine->submit(share(std::move(r)));
    return log_.wait(c.sequences);
  }

  Moment away_;  // what the device took so far; the engine's thread's
  Log log_;
  EngineThread thread_;
};

std::vector<std::string> parts(const std::string& list) {
  std::vector<std::string> result;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) result.push_back(part);
  return result;
}

template <class... T>
void print_row(const T&... v) {
  fmt::print(
      "{:>9} {:>7} {:>7} {:>6} | {:>7} {:>7} {:>7} {:>7} {:>8} | {:>6} {:>10} {:>6} {:>7} {:>5} "
      "{:>7} {:>10}\n",
      v...);
}

void run(const std::vector<std::string>& sequences, const std::vector<std::string>& contexts,
         const std::vector<std::string>& kinds) {
  fake_cuda::set_device({.num_sms = 132, .memory_bytes = size_t{64} << 30});
  fake_cuda::do_nothing(see);
  HostBench bench;
  std::vector<nlohmann::ordered_json> rows;
  print_row("sequences", "context", "kind", "tokens", "us", "p90", "cpu us", "p90", "masks us",
            "copies", "bytes", "graphs", "kernels", "waits", "queries", "attributes");
  for (const std::string& n : sequences)
    for (const std::string& context : contexts)
      for (const std::string& kind : kinds) {
        const nlohmann::ordered_json r =
            rows.emplace_back(bench.measure({std::stoi(n), context, kind}));
        const auto value = [&](const char* key) { return r[key].dump(); };
        print_row(n, context, kind, value("tokens"), value("us"), value("us_p90"), value("cpu_us"),
                  value("cpu_us_p90"), value("masks_us"), value("copies"), value("copied_bytes"),
                  value("graphs"), value("kernels"), value("waits"), value("queries"),
                  value("attributes"));
        std::fflush(stdout);
      }
  for (const auto& row : rows) fmt::print("{}\n", row.dump());
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {
  const auto list = [&](int i, const char* all) { return ember::parts(argc > i ? argv[i] : all); };
  ember::run(list(1, "1,64,256"), list(2, "2048,8192,32768,mixed"), list(3, "plain,penalty,masks"));
}
