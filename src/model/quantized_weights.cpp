// SPDX-License-Identifier: Apache-2.0
#include "quantized_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "ember/base/integers.h"
#include "quantized_module.h"

namespace ember {

namespace {

using Shape = std::vector<int64_t>;

constexpr const char* kShape = ".weight_shape";  // of kPacked

// The numbers of an I32 or I64 tensor.
Shape integers_of(const StoredTensor& tensor) {
  const size_t size = tensor.type == "I32" ? 4 : 8;
  Shape numbers;
  for (size_t at = 0; at + size <= tensor.bytes; at += size) {
    int32_t half = 0;
    int64_t whole = 0;
    std::memcpy(size == 4 ? static_cast<void*>(&half) : &whole,
                static_cast<const std::byte*>(tensor.data) + at, size);
    numbers.push_back(size == 4 ? half : whole);
  }
  return numbers;
}

struct Names {
  const char *codes, *scales, *zeros, *groups;
};

Names names_of(QuantizedLayout layout) {
  switch (layout) {
    case QuantizedLayout::kAwq:
      return {".qweight", ".scales", ".qzeros", nullptr};
    case QuantizedLayout::kGptq:
      return {".qweight", ".scales", ".qzeros", ".g_idx"};
    case QuantizedLayout::kPacked:
      return {".weight_packed", ".weight_scale", ".weight_zero_point", ".weight_g_idx"};
    default:
      return {".weight", ".weight_scale", ".weight_zero_point", ".weight_g_idx"};
  }
}

// Builds a QuantizedModule of the tensors of a checkpoint.
class Reader {
 public:
  Reader(const Checkpoint& checkpoint, const std::string& module, const QuantizationScheme& scheme,
         std::span<const int64_t> shape)
      : checkpoint_(checkpoint),
        name_(module),
        scheme_(scheme),
        names_(names_of(scheme.layout)),
        rows_(shape[0]),
        columns_(shape[1]),
        group_columns_(scheme.scale_columns == 0 ? columns_ : scheme.scale_columns),
        groups_(ceil_div(columns_, group_columns_)) {}

  StoredTensor read() {
    const StoredTensor codes = read_codes();
    if (scheme_.layout != QuantizedLayout::kFp8 && columns_ % group_columns_ != 0)
      bad_model(codes.file,
                fmt::format("tensor \"{}\": {} columns, expected a multiple of the group size {}",
                            module_->codes_name, columns_, group_columns_));
    module_->rows = rows_;
    module_->columns = columns_;
    module_->groups = groups_;
    read_scales();
    read_zeros();
    read_groups();
    if (checkpoint_.has(name_ + kShape)) check_shape();
    if (scheme_.static_activations) check_input_scale();
    const WeightFormat format =
        scheme_.format_of_rows(columns_, groups_are_whole(), zeros_are_central());
    return {.type = name_of(format),
            .format = format,
            .shape = {rows_, columns_},
            .bytes = bytes_,
            .file = codes.file,
            .quantized = std::move(module_)};
  }

 private:
  // A tensor of one of these shapes.
  StoredTensor want(const std::string& name, std::string_view type,
                    const std::vector<Shape>& shapes) {
    if (!checkpoint_.has(name))
      bad_model(checkpoint_.path(), fmt::format("tensor \"{}\" of shape [{}] is missing", name,
                                                fmt::join(shapes.front(), ", ")));
    StoredTensor tensor = checkpoint_.stored(name);
    const bool plain = tensor.format && dtype_of(*tensor.format);
    if (type.empty() ? !plain : tensor.type != type)
      bad_model(tensor.file, fmt::format("tensor \"{}\": expected {}, found {}", name,
                                         type.empty() ? "F32, F16 or BF16" : type, tensor.type));
    if (std::ranges::find(shapes, tensor.shape) == shapes.end())
      bad_model(tensor.file,
                fmt::format("tensor \"{}\": expected shape [{}], found [{}]", name,
                            fmt::join(shapes.front(), ", "), fmt::join(tensor.shape, ", ")));
    bytes_ += tensor.bytes;
    module_->tensors.push_back(tensor);
    return tensor;
  }

  int64_t words(int64_t codes) const { return ceil_div<int64_t>(codes * scheme_.bits, 32); }

  // Whole words only, where the packed side is padded by nothing.
  void expect_whole_words(const StoredTensor& tensor, int64_t codes) const {
    if (codes * scheme_.bits % 32 != 0)
      bad_model(tensor.file,
                fmt::format("tensor \"{}\": {} codes of {} bits, expected whole words of 32 bits",
                            module_->codes_name, codes, scheme_.bits));
  }

  StoredTensor read_codes() {
    Codes& codes = module_->codes;
    const std::string& name = module_->codes_name = name_ + names_.codes;
    StoredTensor tensor;
    codes = {.bits = scheme_.bits, .columns = columns_};
    switch (scheme_.layout) {
      case QuantizedLayout::kAwq:
        tensor = want(name, "I32", {{columns_, words(rows_)}});
        expect_whole_words(tensor, rows_);
        codes.order = Codes::Order::kAwq;
        codes.columns = rows_;
        module_->transposed = true;
        break;
      case QuantizedLayout::kGptq:
        tensor = want(name, "I32", {{words(columns_), rows_}});
        expect_whole_words(tensor, columns_);
        expect_whole_words(tensor, rows_);
        codes.order = Codes::Order::kAlongColumn;
        codes.columns = rows_;
        module_->transposed = true;
        break;
      case QuantizedLayout::kPacked:
        tensor = want(name, "I32", {{rows_, words(columns_)}});
        codes.order = Codes::Order::kAlongRow;
        break;
      case QuantizedLayout::kInt8:
        tensor = want(name, "I8", {{rows_, columns_}});
        module_->values = &signed_bytes();
        break;
      case QuantizedLayout::kFp8:
        tensor = want(name, "F8_E4M3", {{rows_, columns_}});
        module_->values = &e4m3_numbers();
        break;
    }
    codes.data = static_cast<const std::byte*>(tensor.data);
    return tensor;
  }

  bool grouped_rows() const {  // scales and zero points are [groups, rows]
    return scheme_.layout == QuantizedLayout::kAwq || scheme_.layout == QuantizedLayout::kGptq;
  }
  // Of scales and zero points, [rows, groups].
  int64_t scale_rows() const { return scheme_.scale_rows == 0 ? rows_ : scheme_.scale_rows; }
  Shape scale_shape() const { return {ceil_div(rows_, scale_rows()), groups_}; }

  void read_scales() {
    std::string name = name_ + names_.scales;
    if (scheme_.layout == QuantizedLayout::kFp8 && checkpoint_.has(name_ + ".weight_scale_inv"))
      name = name_ + ".weight_scale_inv";
    const Shape shape = scale_shape();
    std::vector<Shape> shapes = {grouped_rows() ? Shape{groups_, rows_} : shape};
    if (groups_ == 1 && !grouped_rows()) shapes.push_back({shape[0]});
    const bool one = groups_ == 1 && shape[0] == 1 && !grouped_rows();
    if (one) shapes = {{1}, {}, {1, 1}};
    Scales& scales = module_->scales;
    scales.rows = scale_rows();
    // FP8's config.json does not tell one scale from one a row.
    if (one && scheme_.layout == QuantizedLayout::kFp8 && checkpoint_.has(name) &&
        is_one_a_row(checkpoint_.stored(name).shape)) {
      shapes = {{rows_, 1}, {rows_}};
      scales.rows = 1;
    }
    const StoredTensor tensor = want(name, "", shapes);
    module_->scales_name = name;
    scales.data = tensor.data;
    scales.dtype = *dtype_of(*tensor.format);
    scales.row_stride = grouped_rows() ? 1 : groups_;
    scales.group_stride = grouped_rows() ? rows_ : 1;
    scales.count = 1;
    for (const int64_t n : tensor.shape) scales.count *= n;
  }

  bool is_one_a_row(const Shape& shape) const {
    return shape == Shape{rows_} || shape == Shape{rows_, 1};
  }

  void read_zeros() {
    ZeroPoints& zeros = module_->zeros;
    zeros.rows = scale_rows();
    if (scheme_.layout == QuantizedLayout::kFp8) return;
    const std::string name = name_ + names_.zeros;
    zeros.codes = {.bits = scheme_.bits};
    const Shape shape = scale_shape();
    if (grouped_rows()) {
      zeros.codes.order =
          scheme_.layout == QuantizedLayout::kAwq ? Codes::Order::kAwq : Codes::Order::kAlongRow;
      zeros.codes.columns = rows_;
      zeros.grouped_rows = true;
      // As whole words, with carries: so GPTQModel took one off.
      if (scheme_.zeros_less_one)
        zeros.codes.addend = scheme_.bits == 4 ? 0x11111111u : 0x01010101u;
      zeros.codes.data =
          static_cast<const std::byte*>(want(name, "I32", {{groups_, words(rows_)}}).data);
      return;
    }
    const bool packed = scheme_.layout == QuantizedLayout::kPacked;
    zeros.constant = packed ? static_cast<float>(1 << (scheme_.bits - 1)) : 0.0f;
    if (scheme_.symmetric) return;
    zeros.codes.columns = groups_;
    const bool words_of_codes =
        packed && checkpoint_.has(name) && checkpoint_.stored(name).type == "I32";
    if (words_of_codes) {
      zeros.codes.order = Codes::Order::kAlongColumn;
      zeros.constant = 0;
      zeros.codes.data =
          static_cast<const std::byte*>(want(name, "I32", {{words(shape[0]), groups_}}).data);
      return;
    }
    zeros.values = &signed_bytes();
    std::vector<Shape> shapes = {shape};
    if (groups_ == 1) shapes.push_back({shape[0]});
    zeros.codes.data = static_cast<const std::byte*>(want(name, "I8", shapes).data);
  }

  void read_groups() {
    std::vector<int32_t>& groups = module_->group_of_column;
    groups.resize(static_cast<size_t>(columns_));
    for (size_t k = 0; k < groups.size(); ++k)
      groups[k] = static_cast<int32_t>(static_cast<int64_t>(k) / group_columns_);
    if (names_.groups == nullptr) return;
    const std::string name = name_ + names_.groups;
    if (!scheme_.activation_order && !checkpoint_.has(name)) return;
    const StoredTensor tensor = want(name, "I32", {{columns_}});
    std::vector<int32_t> stored(groups.size());
    std::memcpy(stored.data(), tensor.data, stored.size() * sizeof stored[0]);
    // compressed-tensors has stored -1 where the columns are in order.
    const bool unset = scheme_.layout != QuantizedLayout::kGptq && stored[0] == -1;
    if (unset && !scheme_.activation_order) return;
    for (const int32_t group : stored)
      if (group < 0 || group >= groups_)
        bad_model(tensor.file, fmt::format("tensor \"{}\": expected groups from 0 to {}, found {}",
                                           name, groups_ - 1, group));
    groups = std::move(stored);
  }

  bool groups_are_whole() const {
    const std::vector<int32_t>& groups = module_->group_of_column;
    for (size_t k = 0; k < groups.size(); ++k)
      if (groups[k] != groups[k / 32 * 32]) return false;
    return true;
  }

  // Every zero point is the middle one.
  bool zeros_are_central() const {
    if (!grouped_rows()) return module_->zeros.codes.data == nullptr;
    const Codes& zeros = module_->zeros.codes;
    for (int64_t word = 0; word < groups_ * words(rows_); ++word)
      if (zeros.word(word) != (scheme_.bits == 4 ? 0x88888888u : 0x80808080u)) return false;
    return true;
  }

  void check_shape() {
    const std::string name = name_ + kShape;
    const StoredTensor tensor =
        want(name, checkpoint_.stored(name).type == "I32" ? "I32" : "I64", {{2}});
    if (const Shape stored = integers_of(tensor); stored != Shape{rows_, columns_})
      bad_model(tensor.file, fmt::format("tensor \"{}\": expected [{}, {}], found [{}]", name,
                                         rows_, columns_, fmt::join(stored, ", ")));
  }

  void check_input_scale() {
    if (checkpoint_.has(name_ + ".activation_scale")) return;
    want(name_ + ".input_scale", "", {{1}, {}, {1, 1}});
  }

  const Checkpoint& checkpoint_;
  const std::string name_;
  const QuantizationScheme& scheme_;
  const Names names_;
  const int64_t rows_, columns_, group_columns_, groups_;
  size_t bytes_ = 0;
  std::shared_ptr<QuantizedModule> module_ = std::make_shared<QuantizedModule>();
};

}  // namespace

bool stores_quantized(const Checkpoint& checkpoint, const std::string& module,
                      const QuantizationScheme& scheme) {
  const std::string codes = module + names_of(scheme.layout).codes;
  return checkpoint.has(codes) && !checkpoint.stored(codes).format;
}

std::vector<int64_t> quantized_shape(const Checkpoint& checkpoint, const std::string& module,
                                     const QuantizationScheme& scheme) {
  const std::string name = module + names_of(scheme.layout).codes;
  const StoredTensor codes = checkpoint.stored(name);
  if (codes.shape.size() != 2 || std::ranges::find(codes.shape, 0) != codes.shape.end())
    bad_model(codes.file, fmt::format("tensor \"{}\": expected a matrix, found shape [{}]", name,
                                      fmt::join(codes.shape, ", ")));
  const int64_t per_word = 32 / scheme.bits;
  if (scheme.layout == QuantizedLayout::kAwq) return {codes.shape[1] * per_word, codes.shape[0]};
  if (scheme.layout == QuantizedLayout::kGptq) return {codes.shape[1], codes.shape[0] * per_word};
  if (scheme.layout != QuantizedLayout::kPacked) return codes.shape;
  const int64_t columns = codes.shape[1] * per_word;
  if (checkpoint.has(module + kShape))  // it tells how many of the last word's codes are weights
    if (const Shape shape = integers_of(checkpoint.stored(module + kShape));
        shape.size() == 2 && shape[1] > columns - per_word && shape[1] <= columns)
      return {codes.shape[0], shape[1]};
  return {codes.shape[0], columns};
}

StoredTensor quantized_weight(const Checkpoint& checkpoint, const std::string& module,
                              std::span<const int64_t> shape, const QuantizationScheme& scheme) {
  return Reader(checkpoint, module, scheme, shape).read();
}

std::string_view module_of_part(std::string_view tensor) {
  static constexpr std::string_view kParts[] = {"qweight",
                                                "qzeros",
                                                "scales",
                                                "g_idx",
                                                "weight",
                                                "weight_shape",
                                                "weight_scale",
                                                "weight_scale_inv",
                                                "weight_packed",
                                                "weight_g_idx",
                                                "input_scale",
                                                "output_scale",
                                                "weight_zero_point",
                                                "activation_scale"};
  const size_t dot = tensor.rfind('.');
  if (dot == std::string_view::npos) return {};
  return std::ranges::find(kParts, tensor.substr(dot + 1)) == std::end(kParts)
             ? std::string_view()
             : tensor.substr(0, dot);
}

}  // namespace ember
