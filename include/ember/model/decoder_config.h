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

#include "ember/backend/backend.h"
#include "ember/base/weight_format.h"

namespace ember {

class JsonObject;

enum class RopeScaling : uint8_t { kNone, kLinear, kDynamic, kLlama3, kYarn, kLongRope };

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
  std::optional<double> attention_factor;            // yarn, longrope
  bool truncate = true;                              // yarn
  std::vector<float> divisors;                       // of the frequencies, one a pair; empty: none
  std::vector<float> long_divisors;  // instead of `divisors` where sequences may be longer than
                                     // original_max_position (longrope); empty: the same
};

// What the checkpoint calls its tensors.
enum class TensorNaming : uint8_t {
  kHuggingFace,
  kFeedforwardNorms,  // Hugging Face's, of models with a norm behind attention or the MLP
  kChatGlm,           // of ChatGLM's own code
  kGguf,
};

// Where the names of Hugging Face's tensors have the model, where it is the text part of one that
// sees or hears, too.
enum class TextPart : uint8_t {
  kAll,    // it is the whole model
  kOuter,  // "language_model." stands before every name
  kInner,  // "model.language_model." stands for "model."; lm_head is at the root
};

// Where a layer has norms.
enum class NormPlacement : uint8_t {
  kPre,       // before attention and before the MLP
  kSandwich,  // and behind each, before its result is added
  kPost,      // behind each only
};

// What of a token's queries and keys is normalised.
enum class QkNormScope : uint8_t {
  kNone,
  kHead,        // each head
  kProjection,  // all of its query heads as one, and all of its key heads
};

struct DecoderConfig {
  static constexpr int kNoRope = -1;
  static constexpr int64_t kMaxPosition = 1 << 27;  // the most that max_position may be

  std::string architecture;
  TensorNaming naming = TensorNaming::kHuggingFace;
  TextPart text_part = TextPart::kAll;
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
  NormPlacement norm_placement = NormPlacement::kPre;
  QkNormScope qk_norm = QkNormScope::kNone;
  float norm_offset = 0;  // is added to the weights of every norm
  Gate gate = Gate::kSilu;
  float attention_scale = 0;    // multiplies q.k
  float attention_softcap = 0;  // see AttentionSpec::softcap; 0: none
  float logit_softcap = 0;      // the same of logits
  float embedding_scale = 1;    // multiplies embeddings, rounded to the device's activation type
  float residual_scale = 1;     // multiplies what attention and the MLP add
  float logit_scale = 1;        // multiplies logits, before they are capped
  bool fused_qkv = false;       // the checkpoint stores q, k and v as one tensor
  bool fused_gate_up = false;   // and gate and up
  bool paired_qk_rows = false;  // row 2i + s of a head of q or k is stored for row i + s head_dim/2
  bool tie_word_embeddings = false;
  std::vector<RopeConfig> ropes;  // at least one
  std::vector<int> layer_rope;    // per layer; index into ropes, kNoRope: no rotation
  std::vector<int> layer_window;  // per layer; tokens a query can see, 0: all
  int max_position = 0;           // the context the model supports, rope scaling included
  DType dtype = DType::kF32;      // of the matrices, where nothing else is asked for
  // As the checkpoint stores those that are not of this type, by their names.
  std::map<std::string, WeightFormat, std::less<>> other_formats;
};

// Throws StartError(kBadModel): one line with file, field, what was found and what is expected.
// Looks at the headers of the weights, where there are any, for names and formats.
DecoderConfig load_decoder_config(const std::filesystem::path& model_dir);
// The same of config.json alone: as if all weights were plain, of its type.
DecoderConfig parse_decoder_config(const std::filesystem::path& model_dir);
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
