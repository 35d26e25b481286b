// SPDX-License-Identifier: Apache-2.0
// What kind of decoder a model directory holds: its config.json, read once and checked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ember/base/dtype.h"

namespace ember {

class JsonObject;

enum class RopeScaling : uint8_t { kNone, kLinear, kDynamic, kLlama3, kYarn };

// Rotary position embedding; the fields as in Hugging Face's modeling_rope_utils.
struct RopeConfig {
  double theta = 10000;
  int rotary_dim = 0;        // the first of head_dim that are rotated
  bool interleaved = false;  // pairs (2i, 2i+1) instead of (i, i + rotary_dim/2)
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  int original_max_position = 0;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double beta_fast = 32, beta_slow = 1;              // yarn
  double mscale = 0, mscale_all_dim = 0;             // yarn; 0: not given
  std::optional<double> attention_factor;            // yarn
  bool truncate = true;                              // yarn
  std::vector<float> divisors;                       // of the frequencies, one a pair; empty: none
};

// What the checkpoint calls its tensors.
enum class TensorNaming : uint8_t { kHuggingFace, kGguf };

struct DecoderConfig {
  std::string architecture;
  TensorNaming naming = TensorNaming::kHuggingFace;
  int num_layers = 0;
  int hidden_size = 0;
  int intermediate_size = 0;
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  int vocab_size = 0;  // rows of the embedding
  float norm_eps = 1e-6f;
  bool qkv_bias = false;
  bool output_bias = false;  // of the attention's output projection
  bool mlp_bias = false;
  bool qk_norm = false;         // q and k heads are normalised
  bool sandwich_norms = false;  // also behind attention and MLP
  bool fused_qkv = false;       // the checkpoint stores q, k and v as one tensor
  bool fused_gate_up = false;   // and gate and up
  bool paired_qk_rows = false;  // row 2i + s of a head of q or k is stored for row i + s head_dim/2
  bool tie_word_embeddings = false;
  RopeConfig rope;
  std::vector<int> layer_window;  // per layer; tokens a query can see, 0: all
  int max_position = 0;           // the context the model supports, rope scaling included
  DType dtype = DType::kF32;      // of the matrices, where nothing else is asked for
  std::map<std::string, DType, std::less<>> other_dtypes;  // of those that differ, by their names
};

// Throws StartError(kBadModel): one line with file, field, what was found and what is expected.
DecoderConfig load_decoder_config(const std::filesystem::path& model_dir);
// The same of an object with config.json's fields, wherever it comes from.
DecoderConfig parse_decoder_config(const JsonObject& config);

// What generation_config.json says, or config.json where it is silent.
struct GenerationDefaults {
  std::vector<int32_t> eos_token_ids;  // sorted
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int32_t> top_k;
  bool greedy = false;                    // do_sample is false: temperature 0
  std::vector<std::string> stop_strings;  // each of 1 to 1,024 bytes, at most 64
};

// Throws StartError(kBadModel), also for token ids outside [0, config.vocab_size).
GenerationDefaults load_generation_defaults(const std::filesystem::path& model_dir,
                                            const DecoderConfig& config);

}  // namespace ember
