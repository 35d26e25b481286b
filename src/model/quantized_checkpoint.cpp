// SPDX-License-Identifier: Apache-2.0
#include "quantized_checkpoint.h"

#include <set>

#include "ember/model/quantized_checkpoint.h"
#include "ember/model/safetensors.h"
#include "quantized_weights.h"
#include "weight_specs.h"

namespace ember {

namespace {

constexpr std::string_view kWeight = ".weight";

// Empty: the name is no weight's.
std::string module_of(std::string_view weight) {
  if (!weight.ends_with(kWeight)) return "";
  return std::string(weight.substr(0, weight.size() - kWeight.size()));
}

std::optional<Quantization> quantization_of(const std::filesystem::path& model_dir) {
  return read_quantization(JsonObject::read(model_dir / "config.json"));
}

// Which of the two names of the embedding the files have.
void find_text_part(const Checkpoint& files, DecoderConfig& decoder) {
  if (decoder.text_part == TextPart::kAll) return;
  decoder.text_part = TextPart::kInner;
  if (!files.has(tensor_name(decoder, Role::kEmbedding, 0) + ".weight"))
    decoder.text_part = TextPart::kOuter;
}

// As config.json has the matrices where it says that they are quantised.
std::map<std::string, WeightFormat, std::less<>> expected_formats(const Quantization& quantization,
                                                                  const DecoderConfig& decoder) {
  std::map<std::string, WeightFormat, std::less<>> formats;
  for (const TensorSpec& spec : required_tensors(decoder)) {
    const std::string module = module_of(spec.name);
    if (spec.shape.size() == 2 && quantization.expects_quantized(module))
      formats[spec.name] = quantization.scheme_of(module)->format_of_rows(spec.shape[1]);
  }
  return formats;
}

}  // namespace

QuantizedCheckpoint::QuantizedCheckpoint(std::unique_ptr<const Checkpoint> files,
                                         Quantization quantization)
    : files_(std::move(files)), quantization_(std::move(quantization)) {}

const QuantizationScheme* QuantizedCheckpoint::stored_scheme(std::string_view weight) const {
  const std::string module = module_of(weight);
  if (module.empty()) return nullptr;
  const QuantizationScheme* scheme = quantization_.scheme_of(module);
  return scheme != nullptr && stores_quantized(*files_, module, *scheme) ? scheme : nullptr;
}

std::vector<std::string> QuantizedCheckpoint::names() const {
  std::set<std::string> names;
  for (const std::string& name : files_->names()) {
    const std::string weight = std::string(module_of_part(name)) + std::string(kWeight);
    names.insert(stored_scheme(weight) != nullptr ? weight : name);
  }
  return {names.begin(), names.end()};
}

bool QuantizedCheckpoint::has(std::string_view name) const {
  return stored_scheme(name) != nullptr || files_->has(name);
}

StoredTensor QuantizedCheckpoint::stored(std::string_view name) const {
  const QuantizationScheme* scheme = stored_scheme(name);
  if (scheme == nullptr) return files_->stored(name);
  const std::string module = module_of(name);
  return quantized_weight(*files_, module, quantized_shape(*files_, module, *scheme), *scheme);
}

void QuantizedCheckpoint::release(const StoredTensor& tensor) const {
  if (tensor.quantized != nullptr)
    tensor.quantized->release(*files_);
  else
    files_->release(tensor);
}

StoredTensor QuantizedCheckpoint::tensor(std::string_view name,
                                         std::span<const int64_t> shape) const {
  const std::string module = module_of(name);
  if (shape.size() != 2 || module.empty()) return files_->tensor(name, shape);
  const QuantizationScheme* scheme = stored_scheme(name);
  // A module that should be quantised and is nowhere: the message names what should be there.
  if (scheme == nullptr && !files_->has(name) && quantization_.expects_quantized(module))
    scheme = quantization_.scheme_of(module);
  if (scheme == nullptr) return files_->tensor(name, shape);
  return quantized_weight(*files_, module, shape, *scheme);
}

void look_at_weights(const std::filesystem::path& model_dir, DecoderConfig& decoder) {
  if (SafetensorsCheckpoint::complete(model_dir)) {
    const std::unique_ptr<const Checkpoint> files = open_weights(model_dir);
    find_text_part(*files, decoder);
    decoder.other_formats = stored_formats(*files, decoder);
  } else if (const std::optional<Quantization> quantization = quantization_of(model_dir)) {
    decoder.other_formats = expected_formats(*quantization, decoder);
  }
  std::erase_if(decoder.other_formats,
                [&](const auto& entry) { return entry.second == format_of(decoder.dtype); });
}

std::unique_ptr<Checkpoint> open_weights(const std::filesystem::path& model_dir) {
  std::optional<Quantization> quantization = quantization_of(model_dir);
  auto files = std::make_unique<SafetensorsCheckpoint>(model_dir);
  if (!quantization) return files;
  return std::make_unique<QuantizedCheckpoint>(std::move(files), *std::move(quantization));
}

}  // namespace ember
