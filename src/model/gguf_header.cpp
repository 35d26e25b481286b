// SPDX-License-Identifier: Apache-2.0
// parse_gguf: reads and checks a GGUF file's header.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ember/base/integers.h"
#include "ember/model/gguf_file.h"

namespace ember {

namespace {

constexpr uint64_t kMaxTensors = 100'000, kMaxKeys = 65'536, kMaxKeyBytes = 65'535,
                   kMaxNameBytes = 512, kMaxElements = uint64_t{1} << 60;
constexpr uint32_t kMaxRank = 4, kDefaultAlignment = 32, kMaxAlignment = 65'536;

[[noreturn]] void bad(const std::string& what) { throw std::invalid_argument(what); }

std::string key_named(std::string_view key) { return "key " + shown_text(key); }
std::string tensor_named(std::string_view name) { return "tensor " + shown_text(name); }

using Format = WeightFormat;
constexpr GgufTensorType kTypes[] = {
    {0, "F32", 1, 4, Format::kF32},
    {1, "F16", 1, 2, Format::kF16},
    {2, "Q4_0", 32, 18, Format::kQ4_0},
    {3, "Q4_1", 32, 20, Format::kQ4_1},
    {6, "Q5_0", 32, 22, Format::kQ5_0},
    {7, "Q5_1", 32, 24, Format::kQ5_1},
    {8, "Q8_0", 32, 34, Format::kQ8_0},
    {9, "Q8_1", 32, 40, {}},
    {10, "Q2_K", 256, 84, Format::kQ2_K},
    {11, "Q3_K", 256, 110, Format::kQ3_K},
    {12, "Q4_K", 256, 144, Format::kQ4_K},
    {13, "Q5_K", 256, 176, Format::kQ5_K},
    {14, "Q6_K", 256, 210, Format::kQ6_K},
    {15, "Q8_K", 256, 292, {}},
    {16, "IQ2_XXS", 256, 66, {}},
    {17, "IQ2_XS", 256, 74, {}},
    {18, "IQ3_XXS", 256, 98, {}},
    {19, "IQ1_S", 256, 50, {}},
    {20, "IQ4_NL", 32, 18, Format::kIQ4_NL},
    {21, "IQ3_S", 256, 110, {}},
    {22, "IQ2_S", 256, 82, {}},
    {23, "IQ4_XS", 256, 136, {}},
    {24, "I8", 1, 1, {}},
    {25, "I16", 1, 2, {}},
    {26, "I32", 1, 4, {}},
    {27, "I64", 1, 8, {}},
    {28, "F64", 1, 8, {}},
    {29, "IQ1_M", 256, 56, {}},
    {30, "BF16", 1, 2, Format::kBF16},
    {34, "TQ1_0", 256, 54, {}},
    {35, "TQ2_0", 256, 66, {}},
    {39, "MXFP4", 32, 17, Format::kMXFP4},
};

constexpr bool layouts_agree() {
  for (const GgufTensorType& type : kTypes)
    if (type.format && (type.block_weights != info_of(*type.format).block_weights ||
                        type.block_bytes != info_of(*type.format).block_bytes))
      return false;
  return true;
}
static_assert(layouts_agree());

// Bytes of one element; of a string at least those of its length.
uint64_t least_bytes(GgufValueType type) {
  static constexpr uint64_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};
  return kBytes[static_cast<size_t>(type)];
}

// Reads on from a place in the file; `what` is whatever is being read, for messages.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> file) : file_(file) {}

  uint64_t at() const { return at_; }
  uint64_t left() const { return file_.size() - at_; }
  const std::byte* here() const { return file_.data() + at_; }

  void skip(uint64_t bytes, std::string_view what) {
    if (bytes > left())
      bad(fmt::format("{}: {} bytes expected at byte {}, the file has {} more (truncated?)", what,
                      bytes, at_, left()));
    at_ += bytes;
  }
  template <class T>
  T number(std::string_view what) {
    const std::byte* from = here();
    skip(sizeof(T), what);
    T value;
    std::memcpy(&value, from, sizeof value);  // little-endian, as all machines Ember runs on
    return value;
  }
  std::string_view string(std::string_view what) {
    const auto size = number<uint64_t>(what);
    const auto* from = reinterpret_cast<const char*>(here());
    skip(size, what);
    return {from, size};
  }

 private:
  std::span<const std::byte> file_;
  uint64_t at_ = 0;
};

GgufValueType read_type(Reader& reader, const std::string& key) {
  const auto number = reader.number<uint32_t>(key);
  if (number > static_cast<uint32_t>(GgufValueType::kF64))
    bad(fmt::format("{}: value type {}, expected 0 to {}", key, number,
                    static_cast<uint32_t>(GgufValueType::kF64)));
  return static_cast<GgufValueType>(number);
}

GgufValue read_value(Reader& reader, const std::string& key) {
  GgufValue value;
  value.type = read_type(reader, key);
  value.array = value.type == GgufValueType::kArray;
  if (value.array) {
    value.type = read_type(reader, key);
    if (value.type == GgufValueType::kArray) bad(key + ": an array of arrays");
    value.count = reader.number<uint64_t>(key);
  }
  const uint64_t least = least_bytes(value.type);
  if (value.count > reader.left() / least)
    bad(fmt::format("{}: {} elements of at least {} bytes, the file has {} more (truncated?)", key,
                    value.count, least, reader.left()));
  const std::byte* begin = reader.here();
  if (value.type == GgufValueType::kString)
    for (uint64_t i = 0; i < value.count; ++i) reader.string(key);
  else
    reader.skip(value.count * least, key);
  value.bytes = {begin, reader.here()};
  if (value.type == GgufValueType::kBool)
    for (const std::byte b : value.bytes)
      if (b > std::byte{1})
        bad(fmt::format("{}: a bool of {}, expected 0 or 1", key, static_cast<int>(b)));
  return value;
}

void read_metadata(Reader& reader, uint64_t count, GgufHeader& header) {
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view key = reader.string(fmt::format("key {} of {}", i + 1, count));
    if (key.empty() || key.size() > kMaxKeyBytes)
      bad(fmt::format("key {} has {} bytes, expected 1 to {}", i + 1, key.size(), kMaxKeyBytes));
    if (header.metadata.contains(key)) bad(key_named(key) + " appears twice");
    header.metadata.emplace(key, read_value(reader, key_named(key)));
  }
}

uint64_t alignment_of(const GgufHeader& header) {
  const auto found = header.metadata.find("general.alignment");
  if (found == header.metadata.end()) return kDefaultAlignment;
  const GgufValue& value = found->second;
  uint32_t alignment = 0;
  if (value.type == GgufValueType::kU32 && !value.array)
    std::memcpy(&alignment, value.bytes.data(), sizeof alignment);
  if (!std::has_single_bit(alignment) || alignment > kMaxAlignment)
    bad(fmt::format("{}: expected a power of two from 1 to {} as uint32, found {}",
                    key_named(found->first), kMaxAlignment, alignment));
  return alignment;
}

const GgufTensorType& find_type(uint32_t id, const std::string& tensor) {
  const auto* found = std::ranges::find(kTypes, id, &GgufTensorType::id);
  if (found == std::end(kTypes)) bad(fmt::format("{}: unknown type {}", tensor, id));
  return *found;
}

// Refuses what does not fit; otherwise fills shape and type, and returns the bytes.
uint64_t read_shape(Reader& reader, const std::string& name, GgufTensor& tensor) {
  const auto rank = reader.number<uint32_t>(name);
  if (rank < 1 || rank > kMaxRank)
    bad(fmt::format("{}: {} dimensions, expected 1 to {}", name, rank, kMaxRank));
  uint64_t elements = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    const auto n = reader.number<uint64_t>(name);
    if (n < 1 || __builtin_mul_overflow(elements, n, &elements) || elements > kMaxElements)
      bad(fmt::format("{}: dimension {} of {}, expected at least 1 and at most 2^60 in all", name,
                      i + 1, n));
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(n));
  }
  tensor.type = &find_type(reader.number<uint32_t>(name), name);
  const auto [id, type, block_weights, block_bytes, format] = *tensor.type;
  if (tensor.shape.back() % block_weights != 0)
    bad(fmt::format("{}: rows of {}, expected a multiple of {} for {}", name, tensor.shape.back(),
                    block_weights, type));
  const uint64_t blocks = elements / static_cast<uint64_t>(block_weights);
  return blocks * static_cast<uint64_t>(block_bytes);  // at most 2^60 * 8
}

// begin and end are still relative to the start of the data.
void read_tensors(Reader& reader, uint64_t count, uint64_t alignment, GgufHeader& header) {
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view text = reader.string(fmt::format("tensor {} of {}", i + 1, count));
    if (text.empty() || text.size() > kMaxNameBytes)
      bad(fmt::format("the name of tensor {} has {} bytes, expected 1 to {}", i + 1, text.size(),
                      kMaxNameBytes));
    const std::string name = tensor_named(text);
    GgufTensor tensor;
    const uint64_t bytes = read_shape(reader, name, tensor);
    tensor.begin = reader.number<uint64_t>(name);
    if (tensor.begin % alignment != 0)
      bad(fmt::format("{}: begins at byte {} of the data, expected a multiple of {}", name,
                      tensor.begin, alignment));
    if (__builtin_add_overflow(tensor.begin, bytes, &tensor.end))
      bad(fmt::format("{}: begins at byte {} of the data, too far", name, tensor.begin));
    if (!header.tensors.emplace(text, std::move(tensor)).second) bad(name + " appears twice");
  }
}

void check_ranges(const GgufHeader& header, uint64_t data_bytes, uint64_t alignment) {
  std::vector<const std::pair<const std::string_view, GgufTensor>*> order;
  for (const auto& entry : header.tensors) order.push_back(&entry);
  std::ranges::sort(order, {}, [](const auto* entry) { return entry->second.begin; });
  uint64_t at = 0;
  for (const auto* entry : order) {
    const auto& [name, tensor] = *entry;
    if (tensor.end > data_bytes)
      bad(fmt::format("{}: ends at byte {} of the data, the file has {} (truncated?)",
                      tensor_named(name), tensor.end, data_bytes));
    if (tensor.begin < at || tensor.begin - at >= alignment)
      bad(fmt::format("{}: begins at byte {} of the data, expected {} ({})", tensor_named(name),
                      tensor.begin, round_up(at, alignment),
                      tensor.begin < at ? "tensors overlap" : "a hole"));
    at = tensor.end;
  }
  if (data_bytes - at >= alignment)
    bad(fmt::format("{} bytes follow the last tensor", data_bytes - at));
}

void check_version(uint32_t version) {
  if (version == 2 || version == 3) return;
  bad(version != 0 && (version & 0xffff) == 0
          ? std::string("is big-endian, expected little-endian")
          : fmt::format("is of GGUF version {}, expected 2 or 3", version));
}

}  // namespace

std::string shown_text(std::string_view bytes) {
  constexpr size_t kMaxShown = 128;
  const std::string text(bytes.substr(0, kMaxShown));
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

GgufHeader parse_gguf(std::span<const std::byte> file) {
  if (file.size() < 4 || std::memcmp(file.data(), "GGUF", 4) != 0)
    bad(fmt::format(
        "does not begin with \"GGUF\": {}",
        file.size() < 4 ? fmt::format("it has {} bytes", file.size()) : "it is no GGUF file"));
  Reader reader(file);
  reader.skip(4, "magic");
  check_version(reader.number<uint32_t>("version"));
  const auto num_tensors = reader.number<uint64_t>("number of tensors"),
             num_keys = reader.number<uint64_t>("number of keys");
  if (num_tensors > kMaxTensors)
    bad(fmt::format("{} tensors, expected at most {}", num_tensors, kMaxTensors));
  if (num_keys > kMaxKeys) bad(fmt::format("{} keys, expected at most {}", num_keys, kMaxKeys));
  GgufHeader header;
  read_metadata(reader, num_keys, header);
  const uint64_t alignment = alignment_of(header);
  read_tensors(reader, num_tensors, alignment, header);
  // A file without tensors need not be padded to where they would begin.
  const uint64_t aligned = round_up(reader.at(), alignment),
                 data = num_tensors == 0 ? std::min<uint64_t>(aligned, file.size()) : aligned;
  if (data > file.size())
    bad(fmt::format("the data begins at byte {}, the file has {} (truncated?)", data, file.size()));
  check_ranges(header, file.size() - data, alignment);
  for (auto& [name, tensor] : header.tensors) tensor.begin += data, tensor.end += data;
  return header;
}

}  // namespace ember
