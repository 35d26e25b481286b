// SPDX-License-Identifier: Apache-2.0
#include "ember/model/gguf_metadata.h"

#include <gmock/gmock.h>

#include <functional>

#include "model/gguf_writer.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using test::GgufWriter;
using test::raw;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Type = GgufValueType;

class Metadata : public testing::Test {
 protected:
  // The metadata of a file that holds what `fill` writes.
  const GgufMetadata& of(const std::function<void(GgufWriter&)>& fill) {
    GgufWriter writer;
    fill(writer);
    write_file(dir_ / "a.gguf", writer.bytes());
    file_ = std::make_unique<GgufFile>(dir_ / "a.gguf");
    metadata_ = std::make_unique<GgufMetadata>(*file_);
    return *metadata_;
  }

  const TempDir dir_;
  std::unique_ptr<GgufFile> file_;
  std::unique_ptr<GgufMetadata> metadata_;
};

TEST_F(Metadata, AnIntegerMayBeOfAnyIntegerType) {
  const GgufMetadata& m = of([](GgufWriter& w) {
    w.value("u8", Type::kU8, raw<uint8_t>(200)).value("i8", Type::kI8, raw<int8_t>(-5));
    w.value("u16", Type::kU16, raw<uint16_t>(60000)).value("i16", Type::kI16, raw<int16_t>(-5));
    w.u32("u32", 4'000'000'000).value("i32", Type::kI32, raw<int32_t>(-5));
    w.value("u64", Type::kU64, raw<uint64_t>(5)).value("i64", Type::kI64, raw<int64_t>(-5));
    w.numbers<int32_t>("same", Type::kI32, {4, 4, 4}).numbers<int32_t>("mixed", Type::kI32, {4, 2});
    w.value("huge", Type::kU64, raw(~uint64_t{0})).f32("float", 3).boolean("bool", true);
    w.array("none", Type::kI32, 0, "");
  });
  constexpr int64_t kAny = INT64_MAX;
  EXPECT_EQ(m.integer("u8", 0, kAny), 200);
  EXPECT_EQ(m.integer("u16", 0, kAny), 60000);
  EXPECT_EQ(m.integer("u32", 0, kAny), 4'000'000'000);
  EXPECT_EQ(m.integer("u64", 0, kAny), 5);
  for (const char* key : {"i8", "i16", "i32", "i64"}) EXPECT_EQ(m.integer(key, -9, kAny), -5);
  EXPECT_EQ(m.integer("same", 0, kAny), 4) << "one for each layer";
  EXPECT_EQ(m.integer("absent", 0, kAny, 9), 9);
  for (const char* key : {"mixed", "huge", "float", "bool", "absent", "none"})
    EXPECT_THAT(refusal([&] { m.integer(key, 0, kAny); }),
                AllOf(HasSubstr("a.gguf: key \"" + std::string(key) + "\""),
                      HasSubstr("expected an integer from 0 to")));
  EXPECT_THAT(refusal([&] { m.integer("u8", 0, 199); }),
              HasSubstr("expected an integer from 0 to 199, found 200"));
  EXPECT_THAT(refusal([&] { m.integer("mixed", 0, 9); }), HasSubstr("found an array of 2 numbers"));
}

TEST_F(Metadata, NumbersTextsAndBools) {
  const GgufMetadata& m = of([](GgufWriter& w) {
    w.f32("f32", 1.5f).value("f64", Type::kF64, raw(2.5)).u32("u32", 3).boolean("yes", true);
    w.boolean("no", false).text("text", "hello").f32("nan", std::nanf(""));
  });
  EXPECT_EQ(m.number("f32", 0, 9), 1.5);
  EXPECT_EQ(m.number("f64", 0, 9), 2.5);
  EXPECT_EQ(m.number("u32", 0, 9), 3);
  EXPECT_EQ(m.number("absent", 0, 9, 4), 4);
  EXPECT_TRUE(m.boolean("yes", false));
  EXPECT_FALSE(m.boolean("no", true));
  EXPECT_TRUE(m.boolean("absent", true));
  EXPECT_EQ(m.text("text", ""), "hello");
  EXPECT_EQ(m.text("absent", "other"), "other");
  EXPECT_THAT(refusal([&] { m.number("nan", 0, 9); }), HasSubstr("found nan"));
  EXPECT_THAT(refusal([&] { m.number("text", 0, 9); }), HasSubstr("found \"hello\""));
  EXPECT_THAT(refusal([&] { m.boolean("u32", true); }), HasSubstr("expected true or false"));
  EXPECT_THAT(refusal([&] { m.text("yes", ""); }), HasSubstr("expected a string, found true"));
}

TEST_F(Metadata, Arrays) {
  const GgufMetadata& m = of([](GgufWriter& w) {
    w.texts("texts", {"a", "", "bc"}).numbers<float>("floats", Type::kF32, {1.5f, -2});
    w.numbers<uint16_t>("integers", Type::kU16, {7, 8}).u32("one", 1);
    w.numbers<uint64_t>("huge", Type::kU64, {~uint64_t{0}});
    w.array("bools", Type::kBool, 2, std::string("\1\0", 2));
  });
  EXPECT_THAT(m.texts("texts"), ElementsAre("a", "", "bc"));
  EXPECT_THAT(m.numbers("floats"), ElementsAre(1.5, -2));
  EXPECT_THAT(m.numbers("integers"), ElementsAre(7, 8));
  EXPECT_THAT(m.integers("integers"), ElementsAre(7, 8));
  EXPECT_THAT(m.booleans("bools"), ElementsAre(true, false));
  EXPECT_THAT(m.booleans("absent"), ElementsAre());
  EXPECT_THAT(refusal([&] { m.booleans("integers"); }), HasSubstr("an array of bools"));
  EXPECT_THAT(m.texts("absent"), ElementsAre());
  EXPECT_THAT(m.numbers("absent"), ElementsAre());
  EXPECT_THAT(m.integers("absent"), ElementsAre());
  EXPECT_THAT(refusal([&] { m.integers("floats"); }), HasSubstr("an array of integers"));
  EXPECT_THAT(refusal([&] { m.integers("huge"); }), HasSubstr("below 2^63"));
  EXPECT_THAT(refusal([&] { m.integers("one"); }), HasSubstr("an array of integers, found 1"));
  EXPECT_THAT(refusal([&] { m.numbers("bools"); }), HasSubstr("found an array of 2 bools"));
  EXPECT_THAT(refusal([&] { m.texts("floats"); }), HasSubstr("an array of strings"));
}

}  // namespace
}  // namespace ember
