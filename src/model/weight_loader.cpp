// SPDX-License-Identifier: Apache-2.0
#include "weight_loader.h"

#include <fmt/format.h>

#include <cmath>

#include "json_object.h"

namespace ember {

namespace {

WeightView view_of(const StoredTensor& stored) {
  const int64_t columns = stored.shape.back();
  return {{*stored.format, stored.shape[0], columns},
          static_cast<const std::byte*>(stored.data),
          row_bytes(*stored.format, columns)};
}

// A vector of plain numbers.
Tensor vector_of(const StoredTensor& stored) {
  return {const_cast<void*>(stored.data), dtype_of(*stored.format).value(), {stored.shape[0]}};
}

}  // namespace

WeightLoader::WeightLoader(Backend& backend, const Checkpoint& checkpoint,
                           const LoadOptions& options)
    : backend_(backend),
      checkpoint_(checkpoint),
      options_(options),
      bytes_total_(checkpoint.total_bytes()) {}

void WeightLoader::count(const StoredTensor& stored) {
  bytes_done_ += stored.bytes;
  if (options_.progress) options_.progress(bytes_done_, bytes_total_);
}

WeightView WeightLoader::converted(const StoredTensor& stored, const std::string& name,
                                   std::vector<uint8_t>& storage) const {
  const WeightView view = view_of(stored);
  const std::optional<DType> from = dtype_of(view.format);
  if (!options_.dtype || !from || *options_.dtype == *from) return view;
  const DType to = *options_.dtype;
  const auto elements = static_cast<size_t>(view.rows * view.columns);
  storage.resize(elements * size_of(to));
  const Tensor result(storage.data(), to, {view.rows, view.columns});
  for (size_t i = 0; i < elements; ++i) {
    const float value = element_to_float(*from, stored.data, i);
    if (to == DType::kF32) {
      result.as<float>()[i] = value;
      continue;
    }
    const bool half = to == DType::kF16;
    const uint16_t bits = half ? float_to_f16(value) : float_to_bf16(value);
    if (std::isfinite(value) && !std::isfinite(half ? f16_to_float(bits) : bf16_to_float(bits)))
      bad_model(stored.file, fmt::format("tensor \"{}\" holds {}, too large for --dtype {}", name,
                                         value, name_of(to)));
    result.as<uint16_t>()[i] = bits;
  }
  return weight_view(result);
}

void WeightLoader::matrix(const MatrixSpec& spec, Linear& slot) {
  const size_t parts = spec.weights.size();
  std::vector<StoredTensor> stored;  // what the views look at
  std::vector<std::vector<uint8_t>> storage(parts);
  std::vector<WeightView> weights;
  std::vector<Tensor> biases;
  for (size_t i = 0; i < parts; ++i) {
    const TensorSpec& weight = spec.weights[i];
    stored.push_back(checkpoint_.tensor(weight.name, weight.shape));
    weights.push_back(converted(stored.back(), weight.name, storage[i]));
    count(stored.back());
  }
  for (const TensorSpec& bias : spec.biases) {
    stored.push_back(checkpoint_.tensor(bias.name, bias.shape));
    biases.push_back(vector_of(stored.back()));
    count(stored.back());
  }
  slot = backend_.make_linear(weights, biases, spec.split, spec.gated);
}

void WeightLoader::vector(const TensorSpec& spec, Tensor& slot) {
  const StoredTensor stored = checkpoint_.tensor(spec.name, spec.shape);
  count(stored);
  slot = backend_.upload(vector_of(stored));
}

}  // namespace ember
