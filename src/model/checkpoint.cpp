// SPDX-License-Identifier: Apache-2.0
#include "ember/model/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "json_object.h"

namespace ember {

StoredTensor Checkpoint::tensor(std::string_view name, std::span<const int64_t> shape) const {
  if (!has(name))
    bad_model(path(),
              fmt::format("tensor \"{}\" of shape [{}] is missing", name, fmt::join(shape, ", ")));
  StoredTensor tensor = stored(name);
  if (!std::ranges::equal(shape, tensor.shape))
    bad_model(tensor.file, fmt::format("tensor \"{}\": expected shape [{}], found [{}]", name,
                                       fmt::join(shape, ", "), fmt::join(tensor.shape, ", ")));
  const bool plain = tensor.format && dtype_of(*tensor.format);
  if (!tensor.format || (shape.size() < 2 && !plain))
    bad_model(tensor.file,
              fmt::format("tensor \"{}\": expected {}, found {}", name,
                          shape.size() < 2 ? "F32, F16 or BF16" : supported_types(), tensor.type));
  return tensor;
}

}  // namespace ember
