// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ember/model/safetensors.h"

namespace ember {

namespace {

constexpr size_t kMaxTensors = 100000, kMaxRank = 8, kMaxNameBytes = 512;

std::string tensor_named(std::string_view name) {
  return fmt::format("tensor \"{}\"", name.substr(0, 128));
}

[[noreturn]] void bad(const std::string& what) { throw std::invalid_argument(what); }

// Bits of an element; 0: unknown.
int bits_of(std::string_view dtype) {
  static constexpr std::pair<std::string_view, int> kTypes[] = {
      {"F64", 64},    {"I64", 64},  {"U64", 64}, {"F32", 32}, {"I32", 32},    {"U32", 32},
      {"F16", 16},    {"BF16", 16}, {"I16", 16}, {"U16", 16}, {"F8_E4M3", 8}, {"F8_E5M2", 8},
      {"F8_E8M0", 8}, {"I8", 8},    {"U8", 8},   {"BOOL", 8}};
  for (const auto& [name, bits] : kTypes)
    if (dtype == name) return bits;
  return 0;
}

// Reads {"name": {"dtype": "F32", "shape": [..], "data_offsets": [b, e]}, ..., "__metadata__":
// {..}} event by event, so that memory stays in proportion to what is kept.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  TensorEntries entries;

  bool start_object(size_t) override {
    if (++depth_ > 2) bad("header nests too deeply");
    if (depth_ == 2 && !metadata_) current_ = &entries[name_], fields_ = 0;
    return true;
  }
  bool end_object() override {
    if (depth_-- == 2 && !metadata_ && fields_ != 7)
      bad(tensor_named(name_) + ": must have dtype, shape and data_offsets");
    if (depth_ == 1) metadata_ = false;
    return true;
  }
  bool key(std::string& key) override {
    if (depth_ == 1)
      begin_tensor(key);
    else
      field_ = key;
    return true;
  }
  bool string(std::string& value) override {
    if (metadata_ && depth_ == 2) return true;
    if (depth_ != 2 || in_list_ || field_ != "dtype") return wrong();
    if (bits_of(value) == 0)
      bad(fmt::format("{}: unknown dtype \"{}\"", tensor_named(name_), value.substr(0, 32)));
    current_->dtype = value;
    return done(1);
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || metadata_ || in_list_ || (field_ != "shape" && field_ != "data_offsets"))
      return wrong();
    in_list_ = true;
    list_.clear();
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (!in_list_) return wrong();
    if (list_.size() == kMaxRank)
      bad(fmt::format("{}: more than {} dimensions", tensor_named(name_), kMaxRank));
    list_.push_back(value);
    return true;
  }
  bool end_array() override {
    in_list_ = false;
    if (field_ == "shape") {
      for (const uint64_t n : list_)
        if (n > static_cast<uint64_t>(INT64_MAX))
          bad(tensor_named(name_) + ": a dimension is too large");
      current_->shape.assign(list_.begin(), list_.end());
      return done(2);
    }
    if (list_.size() != 2) bad(tensor_named(name_) + ": data_offsets must be two numbers");
    current_->begin = list_[0];
    current_->end = list_[1];
    return done(4);
  }
  bool null() override { return wrong(); }
  bool boolean(bool) override { return wrong(); }
  bool number_integer(int64_t) override { return wrong(); }
  bool number_float(double, const std::string&) override { return wrong(); }
  bool binary(binary_t&) override { return wrong(); }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    bad(fmt::format("header is not JSON at byte {}", position));
  }

 private:
  void begin_tensor(const std::string& key) {
    metadata_ = key == "__metadata__";
    name_ = key;
    if (metadata_) return;
    if (key.empty() || key.size() > kMaxNameBytes)
      bad(fmt::format("a tensor name has {} bytes, must be 1 to {}", key.size(), kMaxNameBytes));
    if (entries.contains(key)) bad(tensor_named(key) + " appears twice");
    if (entries.size() == kMaxTensors) bad(fmt::format("more than {} tensors", kMaxTensors));
  }
  bool done(int field) {
    if ((fields_ & field) != 0)
      bad(fmt::format("{}: {} appears twice", tensor_named(name_), field_));
    fields_ |= field;
    return true;
  }
  [[noreturn]] bool wrong() const {
    bad(depth_ == 2 ? fmt::format("{}: unexpected value of \"{}\"", tensor_named(name_),
                                  field_.substr(0, 64))
                    : "header must be an object of objects");
  }

  int depth_ = 0;
  bool metadata_ = false, in_list_ = false;
  int fields_ = 0;  // which have been seen: 1 dtype, 2 shape, 4 data_offsets
  std::string name_, field_;
  std::vector<uint64_t> list_;
  TensorEntry* current_ = nullptr;
};

// shape times type, or nothing when that does not fit into 63 bits.
std::optional<uint64_t> bytes_of(const TensorEntry& entry) {
  uint64_t n = 1;
  for (const int64_t dim : entry.shape)
    if (__builtin_mul_overflow(n, static_cast<uint64_t>(dim), &n) || n > (uint64_t{1} << 60))
      return std::nullopt;
  return n * static_cast<uint64_t>(bits_of(entry.dtype)) / 8;
}

void check_ranges(const TensorEntries& entries, uint64_t data_bytes) {
  std::vector<const TensorEntries::value_type*> order;
  for (const auto& entry : entries) {
    const auto& [name, t] = entry;
    if (t.begin > t.end)
      bad(fmt::format("{}: data_offsets [{}, {}] end before they begin", tensor_named(name),
                      t.begin, t.end));
    if (t.end > data_bytes)
      bad(fmt::format("{}: ends at byte {} of the data, the file has {} (truncated?)",
                      tensor_named(name), t.end, data_bytes));
    const std::optional<uint64_t> expected = bytes_of(t);
    if (!expected || *expected != t.end - t.begin)
      bad(fmt::format("{}: shape [{}] of {} needs {} bytes, data_offsets span {}",
                      tensor_named(name), fmt::join(t.shape, ", "), t.dtype,
                      expected ? std::to_string(*expected) : "too many", t.end - t.begin));
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  uint64_t at = 0;
  for (const auto* entry : order) {
    if (entry->second.begin != at)
      bad(fmt::format("{}: begins at byte {} of the data, expected {} ({})",
                      tensor_named(entry->first), entry->second.begin, at,
                      entry->second.begin < at ? "tensors overlap" : "a hole"));
    at = entry->second.end;
  }
  if (at != data_bytes) bad(fmt::format("{} bytes follow the last tensor", data_bytes - at));
}

}  // namespace

TensorEntries parse_safetensors_header(std::string_view header, uint64_t data_bytes) {
  if (!header.starts_with('{')) bad("header does not begin with {");
  // To the JSON parser a NUL is the end of its input, so that anything could follow unseen.
  if (header.find('\0') != std::string_view::npos) bad("header is not JSON: it holds a NUL byte");
  HeaderReader reader;
  nlohmann::json::sax_parse(header.begin(), header.end(), &reader);
  check_ranges(reader.entries, data_bytes);
  return std::move(reader.entries);
}

}  // namespace ember
