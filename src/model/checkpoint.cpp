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
  if (!tensor.format)
    bad_model(tensor.file,
              fmt::format("tensor \"{}\": expected F32, F16 or BF16, found {}", name, tensor.type));
  return tensor;
}

}  // namespace ember
