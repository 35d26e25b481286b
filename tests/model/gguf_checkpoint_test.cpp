// SPDX-License-Identifier: Apache-2.0
#include "ember/model/gguf_checkpoint.h"

#include <gmock/gmock.h>

#include "model/gguf_writer.h"
#include "model/resident.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using test::GgufWriter;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string why_refused(const std::filesystem::path& file) {
  return refusal([&] { GgufCheckpoint{file}; });
}

// Part `number` (from 0) of a set, with one tensor of the given name.
GgufWriter part(int number, int count, int tensors, const std::string& tensor) {
  GgufWriter file;
  file.value("split.no", GgufValueType::kU16, test::raw(static_cast<uint16_t>(number)));
  file.value("split.count", GgufValueType::kU16, test::raw(static_cast<uint16_t>(count)));
  file.value("split.tensors.count", GgufValueType::kI32, test::raw(tensors));
  file.text("who", "part " + std::to_string(number));
  return tensor.empty() ? file : file.tensor(tensor, {2}, 0, tensor + "234567");
}

TEST(GgufCheckpoint, OneFileIsAViewOfItsBytes) {
  const TempDir dir;
  write_file(dir / "a.gguf", GgufWriter()
                                 .tensor("b", {1, 32}, 8, std::string(34, 'b'))
                                 .tensor("a", {2}, 0, "12345678")
                                 .bytes());
  const GgufCheckpoint checkpoint(dir / "a.gguf");
  EXPECT_THAT(checkpoint.names(), ElementsAre("a", "b"));
  EXPECT_EQ(checkpoint.path(), dir / "a.gguf");
  EXPECT_EQ(checkpoint.total_bytes(), 42u);
  const StoredTensor b = checkpoint.stored("b");
  EXPECT_EQ(b.type, "Q8_0");
  EXPECT_EQ(b.format, WeightFormat::kQ8_0);
  EXPECT_EQ(b.shape, (std::vector<int64_t>{1, 32}));
  EXPECT_EQ(std::string(static_cast<const char*>(b.data), b.bytes), std::string(34, 'b'));
}

TEST(GgufCheckpoint, ATensorsMemoryIsGivenBack) {
  const TempDir dir;
  constexpr int64_t kBytes = 1 << 18;
  const std::string data(kBytes, 'x');
  write_file(
      dir / "a.gguf",
      GgufWriter().tensor("a", {kBytes / 4}, 0, data).tensor("b", {kBytes / 4}, 0, data).bytes());
  const GgufCheckpoint checkpoint(dir / "a.gguf");
  const StoredTensor a = checkpoint.stored("a"), b = checkpoint.stored("b");
  touch(a.data, a.bytes);
  touch(b.data, b.bytes);
  const size_t before = resident_bytes(a.data);
  ASSERT_GE(before, size_t{2 * kBytes});
  checkpoint.release(a);
  const size_t after = resident_bytes(a.data);
  EXPECT_LE(after, before - kBytes / 2);
  EXPECT_GE(after, size_t{kBytes}) << "the other one stays";
}

TEST(GgufCheckpoint, TypesAreRefusedWhereTheyAreWanted) {
  const TempDir dir;
  write_file(dir / "a.gguf", GgufWriter()
                                 .tensor("grid", {1, 256}, 16, std::string(66, 'x'))
                                 .tensor("vector", {32}, 8, std::string(34, 'x'))
                                 .bytes());
  const GgufCheckpoint checkpoint(dir / "a.gguf");
  EXPECT_THAT(
      refusal([&] { checkpoint.tensor("grid", std::vector<int64_t>{1, 256}); }),
      AllOf(HasSubstr("\"grid\": expected F32, F16, BF16, Q8_0"), HasSubstr("found IQ2_XXS")));
  EXPECT_THAT(refusal([&] { checkpoint.tensor("vector", std::vector<int64_t>{32}); }),
              HasSubstr("\"vector\": expected F32, F16 or BF16, found Q8_0"));
}

TEST(GgufCheckpoint, ASetIsReadFromAllItsFiles) {
  const TempDir dir;
  for (int i = 0; i < 3; ++i)
    write_file(dir / ("m-0000" + std::to_string(i + 1) + "-of-00003.gguf"),
               part(i, 3, 2, i == 0 ? "" : std::string(1, static_cast<char>('a' + i))).bytes());
  const GgufCheckpoint checkpoint(find_gguf(dir.path()));
  EXPECT_THAT(checkpoint.names(), ElementsAre("b", "c"));
  EXPECT_EQ(checkpoint.metadata().text("who", ""), "part 0");
  const StoredTensor c = checkpoint.stored("c");
  EXPECT_EQ(c.file, dir / "m-00003-of-00003.gguf");
  EXPECT_EQ(std::string(static_cast<const char*>(c.data), 7), "c234567");
}

TEST(GgufCheckpoint, TheFilesOfASetMustAgree) {
  const std::string first = "m-00001-of-00002.gguf", second = "m-00002-of-00002.gguf";
  const struct {
    const char* id;
    GgufWriter one, two;
    const char* file;
    const char* says;
  } cases[] = {
      {"another number", part(0, 2, 2, "a"), part(0, 2, 2, "b"), "m-00002",
       "\"split.no\": expected an integer from 1 to 1, found 0"},
      {"not the first", part(1, 2, 2, "a"), part(1, 2, 2, "b"), "m-00001", "\"split.no\""},
      {"another count", part(0, 2, 2, "a"), part(1, 3, 2, "b"), "m-00002", "\"split.count\""},
      {"no count", part(0, 2, 2, "a"), GgufWriter().tensor("b", {1}, 0, "1234"), "m-00002",
       "\"split.no\""},
      {"tensors", part(0, 2, 2, "a"), part(1, 2, 3, "b"), "m-00002", "\"split.tensors.count\""},
      {"one more", part(0, 2, 3, "a"), part(1, 2, 3, "b"), "m-00001",
       "\"split.tensors.count\": expected an integer from 2 to 2, found 3"},
      {"twice", part(0, 2, 2, "a"), part(1, 2, 2, "a"), "m-00002", "tensor \"a\" is also in"},
      {"too many", part(0, 10000, 2, "a"), part(1, 2, 2, "b"), "m-00001",
       "\"split.count\": expected an integer from 0 to 9999"},
  };
  for (const auto& c : cases) {
    const TempDir dir;
    write_file(dir / first, c.one.bytes());
    write_file(dir / second, c.two.bytes());
    EXPECT_THAT(why_refused(dir / first), AllOf(HasSubstr(c.file), HasSubstr(c.says))) << c.id;
  }
  const TempDir dir;
  write_file(dir / first, part(0, 2, 2, "a").bytes());
  EXPECT_THAT(why_refused(dir / first), AllOf(HasSubstr(second), HasSubstr("file is missing")));
  write_file(dir / "other.gguf", part(0, 2, 2, "a").bytes());
  EXPECT_THAT(why_refused(dir / "other.gguf"), HasSubstr("called \"...-00001-of-00002.gguf\""));
  write_file(dir / second, part(1, 2, 2, "b").bytes());
  EXPECT_THAT(why_refused(dir / second), HasSubstr("the first file of the set"));
}

TEST(FindGguf, TakesAFileOrTheOnlyOneOfADirectory) {
  const TempDir dir;
  EXPECT_EQ(find_gguf(dir.path()), "");
  EXPECT_EQ(find_gguf(dir / "absent"), "");
  EXPECT_EQ(find_gguf(dir / "absent.gguf"), dir / "absent.gguf") << "to be refused by its name";
  write_file(dir / "README.md", "");
  write_file(dir / "b.gguf", "");
  EXPECT_EQ(find_gguf(dir.path()), dir / "b.gguf");
  EXPECT_EQ(find_gguf(dir / "b.gguf"), dir / "b.gguf");
  write_file(dir / "a.gguf", "");
  EXPECT_THAT(refusal([&] { find_gguf(dir.path()); }),
              AllOf(HasSubstr("holds 2 GGUF files"), HasSubstr("name the one")));
  std::filesystem::remove(dir / "a.gguf");
  write_file(dir / "b-00001-of-00002.gguf", "");
  EXPECT_THAT(refusal([&] { find_gguf(dir.path()); }), HasSubstr("holds 2 GGUF files"));
  std::filesystem::remove(dir / "b.gguf");
  write_file(dir / "b-00002-of-00002.gguf", "");
  EXPECT_EQ(find_gguf(dir.path()), dir / "b-00001-of-00002.gguf");
}

}  // namespace
}  // namespace ember
