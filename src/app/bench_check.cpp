// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>
#include <ostream>

#include "answer_comparison.h"
#include "bench_engine.h"
#include "commands.h"
#include "ember/backend/cpu/cpu_backend.h"
#include "ember/model/dummy_checkpoint.h"
#include "load_report.h"
#include "start_log.h"

namespace ember {

namespace {

constexpr int kMaxSeqs = 4, kMaxLen = 512;
constexpr int kStepTokens = 512;  // more than go to the device's own products, see CudaOptions

DecoderConfig base_config(bool tiny) {
  DecoderConfig c;
  c.architecture = "llama";
  c.num_layers = tiny ? 1 : 4;
  c.hidden_size = tiny ? 128 : 1024;
  c.intermediate_size = tiny ? 96 : 2816;
  c.num_heads = tiny ? 2 : 8;
  c.num_kv_heads = tiny ? 1 : 2;
  c.head_dim = tiny ? 64 : 128;
  c.vocab_size = tiny ? 300 : 32000;
  c.norm_eps = 1e-5f;
  c.attention_scale = 1 / std::sqrt(static_cast<float>(c.head_dim));
  c.ropes = {{.rotary_dim = c.head_dim}};
  c.layer_rope.assign(static_cast<size_t>(c.num_layers), 0);
  c.layer_window.assign(static_cast<size_t>(c.num_layers), 0);
  c.max_position = kMaxLen;
  return c;
}

// One of each kind of layer that there is.
std::vector<DecoderConfig> families(bool tiny) {
  std::vector<DecoderConfig> all(5, base_config(tiny));
  all[1].architecture = "qwen3";
  all[1].qk_norm = QkNormScope::kHead;
  all[2].architecture = "glm4";
  all[2].norm_placement = NormPlacement::kSandwich;
  all[2].qkv_bias = true;
  all[2].ropes[0].interleaved = true;
  all[2].ropes[0].rotary_dim /= 2;
  all[3].architecture = "gemma2";
  all[3].norm_placement = NormPlacement::kSandwich;
  all[3].norm_offset = 1;
  all[3].gate = Gate::kGeluTanh;
  all[3].attention_softcap = 5;
  all[3].logit_softcap = 30;
  all[3].embedding_scale = std::sqrt(static_cast<float>(all[3].hidden_size));
  all[3].layer_window.back() = 40;
  all[4].architecture = "olmo2";
  all[4].norm_placement = NormPlacement::kPost;
  all[4].qk_norm = QkNormScope::kProjection;
  all[4].layer_rope.back() = DecoderConfig::kNoRope;
  all[4].logit_scale = 0.5f;
  return all;
}

BenchEngine::Loaded load(std::unique_ptr<RankGroup> ranks, const DecoderConfig& config,
                         DType dtype) {
  Layout layout;
  const Backend& backend = *ranks->at(0).backend;
  const int block_size = backend.block_size() > 0 ? backend.block_size() : 16;
  layout.limits = {.max_tokens = kStepTokens,
                   .max_logit_rows = 8,
                   .max_model_len = kMaxLen,
                   .num_blocks = kMaxSeqs * kMaxLen / block_size,
                   .block_size = block_size};
  const size_t kv_bytes = static_cast<size_t>(layout.limits.num_blocks) *
                          backend.kv_block_bytes(kv_cache_spec(config, layout.limits));
  layout.plans = plan_memory(backend, config, ranks->size(), layout.limits, kMaxSeqs,
                             {.dtype = dtype, .kv_cache_bytes = kv_bytes});
  ranks->run([&](int r) {
    Rank& rank = ranks->at(r);
    rank.backend->reserve(layout.plans[static_cast<size_t>(r)].total_bytes());
    rank.decoder =
        std::make_unique<Decoder>(*rank.backend, Shard(config, r, ranks->size()),
                                  DummyCheckpoint(config, 1, dtype), LoadOptions{.dtype = dtype});
  });
  return {std::move(ranks), layout};
}

std::vector<Request> requests(const DecoderConfig& config, const std::vector<int>& prompt_lens) {
  std::vector<Request> all;
  for (const int length : prompt_lens) {
    Request& r = all.emplace_back();
    r.prompt = random_prompt(length, config.vocab_size, 1, static_cast<int>(all.size()));
    r.max_tokens = 6;
    r.num_logprobs = 2;
    r.sampling.temperature = 0;
  }
  return all;
}

// Prompts that fit into one step of the device's own products together: cuBLAS's bits depend on how
// many tokens there are.
std::vector<Request> sampled_requests(const DecoderConfig& config) {
  std::vector<Request> all = requests(config, {5, 70, 1, 66});
  for (size_t i = 1; i < all.size(); ++i)
    all[i].sampling = {.temperature = 0.9f,
                       .top_k = 40,
                       .top_p = 0.95f,
                       .repetition_penalty = 1.2f,
                       .frequency_penalty = 0.3f,
                       .seed = i};
  return all;
}

std::vector<BenchEngine::Answer> one_by_one(BenchEngine& engine, const std::vector<Request>& all) {
  std::vector<BenchEngine::Answer> answers;
  for (const Request& r : all) answers.push_back(engine.run({r}).answers.front());
  return answers;
}

bool check_family(const Settings& settings, DecoderConfig config, DType dtype, std::ostream& out) {
  const double tolerance = dtype == DType::kF16 ? 0.05 : 0.3;
  config.dtype = dtype;
  EngineSettings typed = settings.engine();
  typed.model.dtype = name_of(dtype);
  const auto reference_device = [&] {
    return std::make_unique<RankGroup>(
        make_cpu_backend({.num_threads = settings.device.cpu_threads, .isa = "avx2"}), nullptr);
  };
  BenchEngine reference([&] { return load(reference_device(), config, dtype); }, false);
  BenchEngine tested([&] { return load(open_ranks(typed, config), config, dtype); }, false);
  bool right = true;
  const auto report = [&](const char* check, const AnswerComparison& c) {
    nlohmann::ordered_json row = {{"check", check},
                                  {"family", config.architecture},
                                  {"type", name_of(dtype)},
                                  {"device", tested.device()}};
    row.update(c.json());
    out << row.dump() << std::endl;
    right = right && c.right;
  };
  const std::vector<Request> greedy = requests(config, {5, 70, 1, 66, 300});
  report("as the CPU",
         compare_greedy(reference.run(greedy).answers, tested.run(greedy).answers, tolerance));
  const std::vector<Request> sampled = sampled_requests(config);
  report("alone as in a batch",
         compare_bits(one_by_one(tested, sampled), tested.run(sampled).answers));
  return right;
}

}  // namespace

ExitCode bench_check(const Settings& settings, std::ostream& out) {
  start_log(settings.log);
  bool right = true;
  for (const DecoderConfig& config : families(settings.bench_check.tiny))
    for (const DType dtype : {DType::kF16, DType::kBF16})
      right = check_family(settings, config, dtype, out) && right;
  return right ? ExitCode::kOk : ExitCode::kEngineFailed;
}

}  // namespace ember
