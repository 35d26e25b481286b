// SPDX-License-Identifier: Apache-2.0
// parse_gguf: what a file says of itself.
#include <gmock/gmock.h>

#include <functional>
#include <random>
#include <stdexcept>

#include "model/gguf_writer.h"

namespace ember {
namespace {

using test::GgufWriter;
using test::raw;
using test::raw_text;
using testing::AllOf;
using testing::HasSubstr;
using Type = GgufValueType;

GgufHeader parse(const std::string& bytes) {
  return parse_gguf(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

// "": it is accepted.
std::string why_refused(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "";
}

// Every type of value, and tensors that need padding.
GgufWriter sound() {
  GgufWriter file;
  file.u32("a.u32", 7).f32("a.f32", 1.5f).boolean("a.bool", true).text("a.text", "hello");
  file.value("a.u8", Type::kU8, raw<uint8_t>(1)).value("a.i8", Type::kI8, raw<int8_t>(-1));
  file.value("a.u16", Type::kU16, raw<uint16_t>(1)).value("a.i16", Type::kI16, raw<int16_t>(-1));
  file.value("a.i32", Type::kI32, raw<int32_t>(-1)).value("a.f64", Type::kF64, raw(2.5));
  file.value("a.u64", Type::kU64, raw<uint64_t>(1)).value("a.i64", Type::kI64, raw<int64_t>(-1));
  file.texts("a.texts", {"x", "", "yz"}).array("a.none", Type::kF32, 0, "");
  file.numbers<int32_t>("a.numbers", Type::kI32, {1, -2});
  file.tensor("plain", {3}, 0, std::string(12, 'a'));
  file.tensor("blocks", {2, 64}, 8, std::string(4 * 34, 'b'));
  file.tensor("last", {1, 1, 2, 5}, 30, std::string(20, 'c'));
  return file;
}

TEST(GgufHeader, SaysWhereEverythingIs) {
  const std::string bytes = sound().bytes();
  const GgufHeader header = parse(bytes);
  EXPECT_EQ(header.metadata.size(), 15u);
  const GgufValue& texts = header.metadata.at("a.texts");
  EXPECT_TRUE(texts.array);
  EXPECT_EQ(texts.type, Type::kString);
  EXPECT_EQ(texts.count, 3u);
  EXPECT_EQ(header.metadata.at("a.none").count, 0u);
  ASSERT_EQ(header.tensors.size(), 3u);
  const GgufTensor& blocks = header.tensors.at("blocks");
  EXPECT_EQ(blocks.type->name, "Q8_0");
  EXPECT_EQ(blocks.type->format, WeightFormat::kQ8_0);
  EXPECT_EQ(blocks.shape, (std::vector<int64_t>{2, 64}));
  EXPECT_EQ(bytes.substr(blocks.begin, blocks.end - blocks.begin), std::string(4 * 34, 'b'));
  EXPECT_EQ(header.tensors.at("last").shape, (std::vector<int64_t>{1, 1, 2, 5}));
}

TEST(GgufHeader, TheLastTensorNeedsNoPadding) {
  const std::string bytes = sound().bytes();
  EXPECT_EQ(why_refused(bytes.substr(0, parse(bytes).tensors.at("last").end)), "");
  GgufWriter empty;
  EXPECT_EQ(why_refused(empty.header()), "") << "no tensors, no data";
  EXPECT_EQ(why_refused(empty.bytes()), "");
}

TEST(GgufHeader, TensorsAreAlignedAsTheFileSays) {
  GgufWriter file;
  file.alignment = 64;
  file.u32("general.alignment", 64).tensor("a", {1}, 0, "1234").tensor("b", {1}, 0, "5678");
  const std::string bytes = file.bytes();
  const GgufHeader header = parse(bytes);
  EXPECT_EQ(header.tensors.at("b").begin - header.tensors.at("a").begin, 64u);
  EXPECT_EQ(header.tensors.at("a").begin % 64, 0u);
}

TEST(GgufHeader, AFileThatIsCutAnywhereIsRefused) {
  const std::string bytes = sound().bytes();
  const size_t end = parse(bytes).tensors.at("last").end;
  for (size_t size = 0; size < end; ++size)
    EXPECT_NE(why_refused(bytes.substr(0, size)), "") << size;
}

TEST(GgufHeader, WhatIsWrongIsNamed) {
  struct Case {
    const char* id;
    std::function<void(GgufWriter&)> spoil;
    std::vector<const char*> says;
  };
  const std::string four(4, 'x');
  const std::vector<Case> cases = {
      {"magic", [](auto& f) { f.magic = "GGML"; }, {"does not begin with \"GGUF\""}},
      {"version 1", [](auto& f) { f.version = 1; }, {"version 1, expected 2 or 3"}},
      {"version 4", [](auto& f) { f.version = 4; }, {"version 4, expected 2 or 3"}},
      {"byte order", [](auto& f) { f.version = 0x03000000; }, {"big-endian"}},
      {"tensors", [](auto& f) { f.more_tensors = 100'000; }, {"100003 tensors, expected at most"}},
      {"keys", [](auto& f) { f.more_keys = 65'536; }, {"keys, expected at most 65536"}},
      {"2^64 - 1 keys", [](auto& f) { f.more_keys = -20; }, {"keys, expected at most"}},
      {"a key more", [](auto& f) { f.more_keys = 1; }, {"the name of tensor 1 has 0 bytes"}},
      {"a tensor more", [](auto& f) { f.more_tensors = 1; }, {"tensor"}},
      {"an empty key", [](auto& f) { f.u32("", 1); }, {"has 0 bytes, expected 1 to 65535"}},
      {"a long key", [](auto& f) { f.u32(std::string(65536, 'k'), 1); }, {"65536 bytes"}},
      {"a key twice", [](auto& f) { f.u32("a.u8", 1); }, {"\"a.u8\" appears twice"}},
      {"a value's type",
       [](auto& f) { f.value("k", static_cast<Type>(13), ""); },
       {"key \"k\": value type 13, expected 0 to 12"}},
      {"an element's type",
       [](auto& f) { f.array("k", static_cast<Type>(99), 0, ""); },
       {"key \"k\": value type 99"}},
      {"arrays of arrays",
       [](auto& f) { f.array("k", Type::kArray, 0, ""); },
       {"key \"k\": an array of arrays"}},
      {"a long array",
       [](auto& f) { f.array("k", Type::kU64, uint64_t{1} << 61, ""); },
       {"key \"k\": 2305843009213693952 elements", "truncated?"}},
      {"a long string",
       [](auto& f) { f.value("k", Type::kString, raw(~uint64_t{0}) + "ab"); },
       {"key \"k\": 18446744073709551615 bytes expected", "truncated?"}},
      {"a string in an array",
       [](auto& f) { f.array("k", Type::kString, 2, raw_text("a") + raw(uint64_t{1} << 40)); },
       {"key \"k\"", "truncated?"}},
      {"a bool", [](auto& f) { f.value("k", Type::kBool, "\2"); }, {"key \"k\": a bool of 2"}},
      {"alignment 0",
       [](auto& f) { f.u32("general.alignment", 0); },
       {"general.alignment", "power of two"}},
      {"alignment 3", [](auto& f) { f.u32("general.alignment", 3); }, {"power of two", "found 3"}},
      {"alignment 2^17", [](auto& f) { f.u32("general.alignment", 1 << 17); }, {"power of two"}},
      {"alignment as text", [](auto& f) { f.text("general.alignment", "32"); }, {"power of two"}},
      {"no dimensions",
       [&](auto& f) { f.tensor("t", {}, 0, four); },
       {"tensor \"t\": 0 dimensions"}},
      {"five", [&](auto& f) { f.tensor("t", {1, 1, 1, 1, 1}, 0, four); }, {"5 dimensions"}},
      {"no element", [&](auto& f) { f.tensor("t", {0}, 0, ""); }, {"\"t\": dimension 1 of 0"}},
      {"2^61", [](auto& f) { f.tensor("t", {int64_t{1} << 61}, 0, ""); }, {"at most 2^60"}},
      {"an overflow",
       [](auto& f) { f.tensor("t", {int64_t{1} << 40, int64_t{1} << 40}, 0, ""); },
       {"\"t\": dimension 2", "2^60"}},
      {"a negative", [](auto& f) { f.tensor("t", {-1}, 0, ""); }, {"\"t\": dimension 1"}},
      {"half a block",
       [](auto& f) { f.tensor("t", {2, 48}, 8, ""); },
       {"rows of 48, expected a multiple of 32 for Q8_0"}},
      {"a type", [&](auto& f) { f.tensor("t", {1}, 99, four); }, {"tensor \"t\": unknown type 99"}},
      {"a removed type", [&](auto& f) { f.tensor("t", {1}, 4, four); }, {"unknown type 4"}},
      {"a name twice",
       [&](auto& f) { f.tensor("plain", {1}, 0, four); },
       {"tensor \"plain\" appears twice"}},
      {"no name", [&](auto& f) { f.tensor("", {1}, 0, four); }, {"has 0 bytes, expected 1 to 512"}},
      {"a long name",
       [&](auto& f) { f.tensor(std::string(513, 'n'), {1}, 0, four); },
       {"has 513 bytes"}},
      {"not aligned",
       [&](auto& f) { f.tensor("t", {1}, 0, four, 4); },
       {"\"t\": begins at byte", "a multiple of 32"}},
      {"an overlap", [&](auto& f) { f.tensor("t", {1}, 0, four, -32); }, {"tensors overlap"}},
      {"a hole",
       [](auto& f) { f.tensor("t", {1}, 0, std::string(64, 'x'), 32); },
       {"\"t\"", "a hole"}},
      {"outside",
       [&](auto& f) { f.tensor("t", {1}, 0, four, 1 << 20); },
       {"\"t\": ends at byte", "truncated?"}},
      {"far outside",
       [&](auto& f) { f.tensor("t", {16}, 0, std::string(64, 'x'), -256); },
       {"\"t\": begins at byte", "too far"}},
      {"bytes behind",
       [](auto& f) { f.tensor("t", {1}, 0, std::string(64, 'x')); },
       {"bytes follow the last tensor"}},
  };
  for (const Case& c : cases) {
    GgufWriter file = sound();
    c.spoil(file);
    for (const char* says : c.says) EXPECT_THAT(why_refused(file.bytes()), HasSubstr(says)) << c.id;
  }
}

TEST(GgufHeader, NamesInMessagesAreEscapedAndShort) {
  EXPECT_EQ(shown_text("a\nb"), "\"a\\nb\"");
  EXPECT_EQ(shown_text("\xFF").find('\xFF'), std::string::npos);
  EXPECT_LE(shown_text(std::string(100'000, 'x')).size(), 130u);
}

// Whatever is in a file, it is refused, or its tensors lie in it and apart.
TEST(GgufHeader, RandomlyChangedFilesAreRefusedOrSound) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  const std::string good = sound().bytes();
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(rng); };
  constexpr uint64_t kNumbers[] = {0,          1,     2,          3,          32,
                                   255,        256,   65536,      0x7fffffff, 0x80000000,
                                   0xffffffff, ~0ull, 1ull << 63, 1ull << 60};
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (size_t changes = 1 + below(3); changes > 0; --changes) {
      const size_t at = below(bytes.size());
      if (below(2) == 0) {
        bytes[at] = static_cast<char>(below(256));
      } else {
        const std::string number = raw(kNumbers[below(std::size(kNumbers))]);
        bytes.replace(at, std::min(number.size(), bytes.size() - at), number, 0,
                      std::min(number.size(), bytes.size() - at));
      }
    }
    if (below(4) == 0) bytes.resize(below(bytes.size()));
    try {
      uint64_t covered = 0;
      for (const auto& [name, tensor] : parse(bytes).tensors) {
        ASSERT_LE(tensor.begin, tensor.end);
        ASSERT_LE(tensor.end, bytes.size());
        covered += tensor.end - tensor.begin;
      }
      ASSERT_LE(covered, bytes.size());
    } catch (const std::invalid_argument&) {
    }
  }
}

}  // namespace
}  // namespace ember
