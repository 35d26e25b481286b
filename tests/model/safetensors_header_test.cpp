// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "ember/model/safetensors.h"

namespace ember {
namespace {

using testing::HasSubstr;

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   uint64_t begin, uint64_t end) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", name, dtype,
                     shape, begin, end);
}

std::string why_refused(const std::string& header, uint64_t data_bytes) {
  try {
    parse_safetensors_header(header, data_bytes);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "accepted";
}

TEST(SafetensorsHeader, ReadsTensorsInAnyOrderWithMetadataAndPadding) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},)" + tensor("b", "BF16", "[2,3]", 8, 20) + "," +
      tensor("a", "F32", "[2]", 0, 8) + "," + tensor("scalar", "F16", "[]", 20, 22) + "," +
      tensor("none", "F32", "[0,7]", 22, 22) + "}   ";
  const TensorEntries entries = parse_safetensors_header(header, 22);
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries.at("b").dtype, "BF16");
  EXPECT_EQ(entries.at("b").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(entries.at("b").begin, 8u);
  EXPECT_EQ(entries.at("b").end, 20u);
  EXPECT_TRUE(entries.at("scalar").shape.empty());
}

TEST(SafetensorsHeader, RefusesWhatIsInconsistentAndNamesTheTensor) {
  const struct {
    std::string header;
    uint64_t data_bytes;
    std::string reason;
  } cases[] = {
      {"{" + tensor("w", "F32", "[4]", 0, 16) + "}", 12, "\"w\": ends at byte 16"},
      {"{" + tensor("w", "F32", "[4]", 16, 0) + "}", 16, "end before they begin"},
      {"{" + tensor("v", "F32", "[4]", 0, 16) + "," + tensor("w", "F32", "[4]", 8, 24) + "}", 24,
       "\"w\": begins at byte 8"},
      {"{" + tensor("v", "F32", "[4]", 0, 16) + "," + tensor("w", "F32", "[4]", 0, 16) + "}", 16,
       "overlap"},
      {"{" + tensor("v", "F32", "[4]", 0, 16) + "," + tensor("w", "F32", "[4]", 20, 36) + "}", 36,
       "hole"},
      {"{" + tensor("w", "F32", "[4]", 4, 20) + "}", 20, "hole"},
      {"{" + tensor("w", "F32", "[4]", 0, 16) + "}", 17, "1 bytes follow"},
      {"{" + tensor("w", "F32", "[5]", 0, 16) + "}", 16, "needs 20 bytes, data_offsets span 16"},
      {"{" + tensor("w", "BF16", "[4]", 0, 16) + "}", 16, "needs 8 bytes"},
      {"{" + tensor("w", "F32", "[1099511627776,1099511627776]", 0, 16) + "}", 16, "too many"},
      {"{" + tensor("w", "F32", "[4294967296,4294967296,4]", 0, 16) + "}", 16,
       "too many"},  // wraps to 0
      {"{" + tensor("w", "F32", "[18446744073709551615]", 0, 16) + "}", 16,
       "dimension is too large"},
      {"{" + tensor("w", "F32", "[99999999999999999999]", 0, 16) + "}", 16, "\"shape\""},
      {"{" + tensor("w", "F32", "[-4]", 0, 16) + "}", 16, "\"shape\""},
      {"{" + tensor("w", "F32", "[4.0]", 0, 16) + "}", 16, "\"shape\""},
      {"{" + tensor("w", "F32", "[1e3]", 0, 16) + "}", 16, "\"shape\""},
      {"{" + tensor("w", "F32", "[[4]]", 0, 16) + "}", 16, "\"shape\""},
      {"{" + tensor("w", "F32", "[\"4\"]", 0, 16) + "}", 16, "\"shape\""},
      {"{" + tensor("w", "F32", "[1,1,1,1,1,1,1,1,4]", 0, 16) + "}", 16, "more than 8 dimensions"},
      {"{" + tensor("w", "F8_WEIRD", "[4]", 0, 16) + "}", 16, "unknown dtype \"F8_WEIRD\""},
      {R"({"w":{"shape":[4],"data_offsets":[0,16]}})", 16, "must have dtype"},
      {R"({"w":{"dtype":7,"shape":[4],"data_offsets":[0,16]}})", 16, "\"dtype\""},
      {R"({"w":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 16,
       "dtype appears twice"},
      {R"({"w":{"dtype":"F32","shape":[4],"data_offsets":[0]}})", 16, "two numbers"},
      {R"({"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"more":1}})", 16, "\"more\""},
      {R"({"w":{"dtype":"F32","shape":{},"data_offsets":[0,16]}})", 16, "nests too deeply"},
      {"{" + tensor("w", "F32", "[4]", 0, 16) + "," + tensor("w", "F32", "[4]", 16, 32) + "}", 32,
       "\"w\" appears twice"},
      {"{" + tensor("", "F32", "[4]", 0, 16) + "}", 16, "name has 0 bytes"},
      {"{" + tensor(std::string(600, 'n'), "F32", "[4]", 0, 16) + "}", 16, "name has 600 bytes"},
      {R"({"w":1})", 0, "object of objects"},
      {"[]", 0, "does not begin with {"},
      {" {}", 0, "does not begin with {"},
      {"", 0, "does not begin with {"},
      {"{\"\xff\":1}", 0, "not JSON"},
      {"{} {}", 0, "not JSON"},
      {"{", 0, "not JSON"},
      {std::string("{}\0", 3), 0, "not JSON"},
      {"{}", 4, "4 bytes follow"},
  };
  for (const auto& c : cases)
    EXPECT_THAT(why_refused(c.header, c.data_bytes), HasSubstr(c.reason)) << c.header;
}

TEST(SafetensorsHeader, DepthAndNumberOfTensorsAreBounded) {
  EXPECT_THAT(why_refused(R"({"w":{"shape":)" + std::string(1000000, '['), 0), HasSubstr("\"w\""));
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += R"({"a":)";
  EXPECT_THAT(why_refused(objects, 0), HasSubstr("nests too deeply"));
  std::string many = "{";
  for (int i = 0; i <= 100000; ++i) many += tensor(std::to_string(i), "F32", "[0]", 0, 0) + ",";
  many.back() = '}';
  EXPECT_THAT(why_refused(many, 0), HasSubstr("more than 100000 tensors"));
}

// Whatever a header says: it is refused, or its tensors tile the data.
TEST(SafetensorsHeader, MutatedHeadersAreRefusedOrConsistent) {
  const std::string valid =
      R"({"__metadata__":{"format":"pt"},)" + tensor("a", "F32", "[2,2]", 0, 16) + "," +
      tensor("b", "BF16", "[4]", 16, 24) + "," + tensor("c", "U8", "[10]", 24, 34) + "}";
  ASSERT_EQ(why_refused(valid, 34), "accepted");
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  const std::string alphabet = "{}[]\",:0123456789-.eEabcdtypshfofsFBU168 \n\\\xff";
  const auto pick = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string header = valid;
    for (size_t edits = 1 + pick(4); edits > 0; --edits) {
      const size_t at = pick(header.size());
      const size_t kind = pick(4);
      if (kind == 0) header[at] = alphabet[pick(alphabet.size())];
      if (kind == 1) header.insert(at, 1, alphabet[pick(alphabet.size())]);
      if (kind == 2 && header.size() > 1) header.erase(at, 1 + pick(3));
      if (kind == 3) header.insert(at, header.substr(pick(header.size()), pick(40)));
      if (header.empty()) header = "{";
    }
    try {
      uint64_t covered = 0;
      for (const auto& [name, entry] : parse_safetensors_header(header, 34)) {
        ASSERT_LE(entry.begin, entry.end) << "seed " << seed << "\n" << header;
        ASSERT_LE(entry.end, 34u) << "seed " << seed << "\n" << header;
        covered += entry.end - entry.begin;
      }
      ASSERT_EQ(covered, 34u) << "seed " << seed << "\n" << header;
      ++accepted;
    } catch (const std::invalid_argument&) {
    }
  }
  EXPECT_GT(accepted, 0) << "seed " << seed;
  EXPECT_LT(accepted, 20000) << "seed " << seed;
}

}  // namespace
}  // namespace ember
