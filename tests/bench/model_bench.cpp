// Tokens per second of one sequence: a prompt of 512 tokens, and decoding after it. Prints one JSON line: lowest, median, highest.
// Arguments: a model directory, the instruction set (auto), repetitions (5).
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/probes.h"
#include "ember/backend/cpu/cpu_backend.h"
#include "ember/model/decoder.h"
#include "model/model_runner.h"

namespace ember {
namespace {

constexpr int kPrompt = 512, kDecoded = 32;

void print(const char* name, const std::vector<double>& rates) {
  const Spread s = spread(rates);
  std::printf(", \"%s_tokens_per_s\": [%.1f, %.1f, %.1f]", name, s.low, s.median, s.high);
}

void bench(const std::string& dir, const std::string& isa, int repetitions) {
  const std::unique_ptr<Backend> backend = make_cpu_backend({.isa = isa});
  const DecoderConfig config = load_decoder_config(dir);
  Decoder decoder(*backend, config, Checkpoint::open(dir), {});
  ModelRunner runner(*backend, decoder, {.max_tokens = kPrompt, .max_logit_rows = 1, .max_model_len = 1024, .num_blocks = 64, .block_size = 16});
  std::vector<int32_t> prompt;
  for (int i = 0; i < kPrompt; ++i) prompt.push_back(i * 7 % config.vocab_size);
  std::vector<double> prefill, decode;
  for (int i = 0; i <= repetitions; ++i) {
    runner.clear();
    const double first = kPrompt / seconds_of([&] { runner.forward(prompt, 1); });
    const double later = kDecoded / seconds_of([&] { for (int n = 0; n < kDecoded; ++n) runner.forward({n}, 1); });
    if (i == 0) continue;  // touches everything for the first time
    prefill.push_back(first);
    decode.push_back(later);
  }
  std::printf("{\"device\": \"%s\"", backend->describe().c_str());
  print("prefill", prefill);
  print("decode", decode);
  std::printf("}\n");
}

}  // namespace
}  // namespace ember

int main(int argc, char** argv) {
  if (argc < 2) return 64;
  ember::bench(argv[1], argc > 2 ? argv[2] : "auto", argc > 3 ? std::atoi(argv[3]) : 5);
}
