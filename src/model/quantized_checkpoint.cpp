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

std::unique_ptr<Checkpoint> open_quantized(const std::filesystem::path& model_dir,
                                           Quantization quantization) {
  return std::make_unique<QuantizedCheckpoint>(std::make_unique<SafetensorsCheckpoint>(model_dir),
                                               std::move(quantization));
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

void find_formats(const std::filesystem::path& model_dir, const Quantization& quantization,
                  DecoderConfig& decoder) {
  std::unique_ptr<const Checkpoint> files;
  if (std::filesystem::exists(model_dir / "model.safetensors") ||
      std::filesystem::exists(model_dir / "model.safetensors.index.json"))
    files = open_quantized(model_dir, quantization);
  for (const TensorSpec& spec : required_tensors(decoder)) {
    if (spec.shape.size() < 2) continue;
    std::optional<WeightFormat> format;
    if (files != nullptr && files->has(spec.name))
      format = files->tensor(spec.name, spec.shape).format;
    else if (files == nullptr && quantization.expects_quantized(module_of(spec.name)))
      format = quantization.scheme_of(module_of(spec.name))->format();
    if (!format) continue;
    if (*format != format_of(decoder.dtype)) decoder.other_formats[spec.name] = *format;
  }
}

std::unique_ptr<Checkpoint> open_weights(const std::filesystem::path& model_dir) {
  std::optional<Quantization> quantization =
      read_quantization(JsonObject::read(model_dir / "config.json"));
  if (!quantization) return std::make_unique<SafetensorsCheckpoint>(model_dir);
  return open_quantized(model_dir, *std::move(quantization));
}

}  // namespace ember
