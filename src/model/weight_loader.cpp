// SPDX-License-Identifier: Apache-2.0
#include "weight_loader.h"

#include <deque>
#include <vector>

#include "weight_conversion.h"

namespace ember {

namespace {

// A vector of plain numbers.
Tensor vector_of(const StoredTensor& stored) {
  return {const_cast<void*>(stored.data), dtype_of(*stored.format).value(), {stored.shape[0]}};
}

// What the rank has of a whole tensor: a view for each range of rows.
std::vector<WeightView> own_views(const WeightView& whole, const TensorSpec& spec) {
  const size_t skipped = row_bytes(whole.format, spec.columns.begin);
  std::vector<WeightView> views;
  for (const Range& rows : spec.rows)
    views.push_back({{whole.format, rows.size(), spec.columns.size()},
                     whole.row(rows.begin) + skipped,
                     whole.row_bytes});
  return views;
}

// A bias is a matrix of one column.
Tensor vector_of(const WeightView& view) {
  return {const_cast<std::byte*>(view.data), dtype_of(view.format).value(), {view.rows}};
}

}  // namespace

WeightLoader::WeightLoader(Backend& backend, const Checkpoint& checkpoint, DType of_model,
                           const LoadOptions& options)
    : backend_(backend),
      checkpoint_(checkpoint),
      of_model_(of_model),
      options_(options),
      bytes_total_(checkpoint.total_bytes()) {}

void WeightLoader::count(const StoredTensor& stored) {
  bytes_done_ += stored.bytes;
  if (options_.progress) options_.progress(bytes_done_, bytes_total_);
}

void WeightLoader::matrix(const MatrixSpec& spec, Linear& slot) {
  std::vector<StoredTensor> stored;  // what the views look at
  std::deque<std::vector<uint8_t>> storage;
  std::vector<WeightView> weights;
  std::vector<Tensor> biases;
  for (const TensorSpec& weight : spec.weights) {
    stored.push_back(checkpoint_.tensor(weight.name, weight.shape));
    const WeightFormat to =
        loaded_format(*stored.back().format, of_model_, options_.dtype, backend_);
    const WeightView whole = convert_weights(stored.back(), weight, to, storage.emplace_back());
    for (const WeightView& view : own_views(whole, weight)) weights.push_back(view);
    count(stored.back());
  }
  for (const TensorSpec& bias : spec.biases) {
    stored.push_back(checkpoint_.tensor(bias.name, bias.shape));
    const WeightView whole =
        convert_weights(stored.back(), bias, *stored.back().format, storage.emplace_back());
    for (const WeightView& view : own_views(whole, bias)) biases.push_back(vector_of(view));
    count(stored.back());
  }
  slot = backend_.make_linear(weights, biases, spec.partition, spec.gated);
  for (const StoredTensor& tensor : stored) checkpoint_.release(tensor);
}

void WeightLoader::vector(const TensorSpec& spec, Tensor& slot) {
  const StoredTensor stored = checkpoint_.tensor(spec.name, spec.shape);
  count(stored);
  const Tensor plain = vector_of(stored);
  if (spec.offset == 0) {
    slot = backend_.upload(plain);
    return;
  }
  std::vector<float> values(static_cast<size_t>(plain.shape[0]));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = element_to_float(plain.dtype, plain.data, i) + spec.offset;
  slot = backend_.upload(Tensor(values.data(), DType::kF32, {plain.shape[0]}));
}

}  // namespace ember
