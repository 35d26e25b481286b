// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <ostream>

#include "bench_engine.h"
#include "check_settings.h"
#include "commands.h"
#include "load_report.h"
#include "model_source.h"
#include "start_log.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

// Steps of a run that are not timed: until all sequences run, and at its end.
constexpr int kFewSteps = 4;

struct DecodeCase {
  int batch = 0, context = 0;
};

DecodeCase decode_case(const std::string& text) {
  DecodeCase c;
  const char* end = text.data() + text.size();
  const auto batch = std::from_chars(text.data(), end, c.batch);
  const bool whole = batch.ec == std::errc{} && batch.ptr != end && *batch.ptr == 'x';
  if (!whole || std::from_chars(batch.ptr + 1, end, c.context).ptr != end || c.batch < 1 ||
      c.context < 1)
    throw StartError(ExitCode::kUsage,
                     fmt::format("--decode {}: must be BATCHxCONTEXT, e.g. 8x1024", text));
  return c;
}

Request request(int prompt_len, int max_tokens, const DecoderConfig& config, int index) {
  Request r;
  r.prompt = random_prompt(prompt_len, config.vocab_size, 0, index);
  r.max_tokens = max_tokens;
  r.sampling.temperature = 0;
  return r;
}

// Multiply-adds of the layers' matrices for one token.
double weights_of_layers(const DecoderConfig& c) {
  const double hidden = c.hidden_size, heads = c.num_heads, kv_heads = c.num_kv_heads,
               dim = c.head_dim;
  return c.num_layers * hidden * ((2 * heads + 2 * kv_heads) * dim + 3.0 * c.intermediate_size);
}

class ModelBench {
 public:
  ModelBench(const Settings& settings, std::ostream& out)
      : settings_(settings),
        out_(out),
        config_(config_of(*open_model(settings.model().path), settings.model())) {
    for (const std::string& text : settings.bench_model.decode)
      decodes_.push_back(decode_case(text));
    EngineSettings sized = settings.engine();
    sized.scheduler.max_num_seqs = 1;
    for (const DecodeCase& c : decodes_) {
      sized.scheduler.max_num_seqs = std::max(sized.scheduler.max_num_seqs, c.batch);
      sized.model.max_model_len =
          std::max<int64_t>(sized.model.max_model_len, c.context + 1 + num_steps());
    }
    for (const int tokens : settings.bench_model.prefill)
      sized.model.max_model_len = std::max<int64_t>(sized.model.max_model_len, tokens + 1);
    check_engine_settings(sized);
    // Timing may go a few positions beyond those of the model.
    config_.max_position =
        std::max(config_.max_position, static_cast<int>(sized.model.max_model_len));
    TimePoint begin{};
    engine_.emplace(
        [&] {
          BenchEngine::Loaded loaded;
          loaded.ranks = open_ranks(sized, config_);
          loaded.layout = lay_out(sized, *loaded.ranks->at(0).backend, config_);
          begin = Clock::now();
          load_decoders(sized.model, *loaded.ranks, config_, loaded.layout.plans, {});
          return loaded;
        },
        true);
    layout_ = engine_->layout();
    print({{"bench", "load"},
           {"device", engine_->device()},
           {"model", config_.architecture},
           {"weight_bytes", weight_bytes()},
           {"step_tokens", layout_.limits.max_tokens},
           {"seconds", seconds(Clock::now() - begin)}});
  }

  void run() {
    for (const DecodeCase& c : decodes_) decode(c);
    for (const int tokens : settings_.bench_model.prefill) prefill(tokens);
  }

 private:
  // Of all ranks together.
  size_t weight_bytes() const {
    size_t bytes = 0;
    for (const MemoryPlan& plan : layout_.plans) bytes += plan.weight_bytes;
    return bytes;
  }
  size_t kv_block_bytes() const {
    size_t bytes = 0;
    for (const MemoryPlan& plan : layout_.plans) bytes += plan.kv_block_bytes;
    return bytes;
  }
  int num_steps() const { return settings_.bench_model.steps + kFewSteps; }

  // The first run leaves the prompts in the prefix cache; all that the second one computes is one
  // token of each sequence in a step.
  void decode(const DecodeCase& c) {
    const int blocks = c.batch * ((c.context + num_steps()) / layout_.limits.block_size + 1);
    if (blocks > layout_.limits.num_blocks)
      throw StartError(ExitCode::kNoDevice,
                       fmt::format("--decode {}x{}: needs {} KV blocks, the memory holds {}",
                                   c.batch, c.context, blocks, layout_.limits.num_blocks));
    std::vector<Request> prompts, requests;
    for (int i = 0; i < c.batch; ++i) {
      prompts.push_back(request(c.context + 1, 1, config_, next_prompt_));
      requests.push_back(request(c.context + 1, num_steps(), config_, next_prompt_++));
    }
    engine_->run(std::move(prompts));
    const BenchEngine::Run run = engine_->run(std::move(requests));
    std::vector<double> times;
    for (size_t i = 1; i < run.steps.size(); ++i)
      if (run.steps[i - 1].num_tokens == c.batch && run.steps[i].num_tokens == c.batch)
        times.push_back(seconds(run.steps[i].end - run.steps[i - 1].end) * 1e3);
    if (times.empty())
      throw StartError(ExitCode::kEngineFailed,
                       fmt::format("--decode {}x{}: no step had one token of each sequence",
                                   c.batch, c.context));
    const double ms = percentile(times, 0.5);
    print({{"bench", "decode"},
           {"batch", c.batch},
           {"context", c.context},
           {"ms", ms},
           {"ms_best", std::ranges::min(times)},
           {"tokens_per_s", c.batch * 1e3 / ms},
           {"gb_per_s", bytes_of_decode(c) / ms / 1e6}});
  }

  // One prompt alone, in steps as the scheduler cuts it, until its first token is known.
  void prefill(int tokens) {
    std::vector<double> times;
    for (int i = 0; i <= settings_.bench_model.repetitions; ++i) {
      const BenchEngine::Run run = engine_->run({request(tokens, 1, config_, next_prompt_++)});
      if (i > 0)
        times.push_back(seconds(run.answers.front().first - run.begin) *
                        1e3);  // the first warms up
    }
    const double ms = percentile(times, 0.5);
    print({{"bench", "prefill"},
           {"tokens", tokens},
           {"ttft_ms", ms},
           {"ttft_ms_best", std::ranges::min(times)},
           {"tokens_per_s", tokens * 1e3 / ms},
           {"tflop_per_s", operations_of_prefill(tokens) / ms / 1e9}});
  }

  // Weights that every token multiplies, and the cache of the sequences.
  double bytes_of_decode(const DecodeCase& c) const {
    const double table =
        config_.tie_word_embeddings
            ? 0
            : static_cast<double>(config_.vocab_size) /
                  (weights_of_layers(config_) / config_.hidden_size + 2.0 * config_.vocab_size);
    return static_cast<double>(weight_bytes()) * (1 - table) +
           static_cast<double>(kv_block_bytes()) / layout_.limits.block_size * c.batch * c.context;
  }

  double operations_of_prefill(double tokens) const {
    const double pairs = tokens * (tokens + 1) / 2,
                 heads = static_cast<double>(config_.num_heads) * config_.head_dim;
    return 2 * weights_of_layers(config_) * tokens + 4 * pairs * heads * config_.num_layers +
           2.0 * config_.vocab_size * config_.hidden_size;
  }

  void print(const Json& row) { out_ << row.dump() << std::endl; }

  const Settings& settings_;
  std::ostream& out_;
  DecoderConfig config_;
  std::vector<DecodeCase> decodes_;
  Layout layout_;
  std::optional<BenchEngine> engine_;
  int next_prompt_ = 0;
};

}  // namespace

ExitCode bench_model(const Settings& settings, std::ostream& out) {
  start_log(settings.log);
  ModelBench(settings, out).run();
  return ExitCode::kOk;
}

}  // namespace ember
