// SPDX-License-Identifier: Apache-2.0
#include "ember/model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "model/resident.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace fs = std::filesystem;

const std::string kOne =
    safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} )", "12345678");
const std::string kOther =
    safetensors(R"({"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} )", "abcdefgh");

std::string why_refused(const fs::path& dir) {
  return refusal([&] { SafetensorsCheckpoint{dir}; });
}

void write_index(const fs::path& dir, const nlohmann::json& weight_map) {
  write_file(dir / "model.safetensors.index.json",
             nlohmann::json{{"weight_map", weight_map}}.dump());
}

TEST(SafetensorsCheckpoint, OneFileIsAViewOfItsBytes) {
  const TempDir dir;
  write_file(dir / "model.safetensors", kOne);
  const SafetensorsCheckpoint checkpoint(dir.path());
  const StoredTensor a = checkpoint.stored("a");
  EXPECT_EQ(a.type, "F32");
  EXPECT_EQ(a.format, WeightFormat::kF32);
  EXPECT_EQ(a.shape, std::vector<int64_t>{2});
  EXPECT_EQ(std::string(static_cast<const char*>(a.data), a.bytes), "12345678");
  EXPECT_EQ(a.file, dir / "model.safetensors");
  EXPECT_EQ(checkpoint.path(), dir.path());
  EXPECT_EQ(checkpoint.total_bytes(), 8u);
  EXPECT_TRUE(checkpoint.has("a"));
  EXPECT_FALSE(checkpoint.has("b"));
}

TEST(SafetensorsCheckpoint, ATensorsMemoryIsGivenBack) {
  const TempDir dir;
  constexpr size_t kBytes = 1 << 18;
  write_file(dir / "model.safetensors",
             safetensors(R"({"a":{"dtype":"F32","shape":[65536],"data_offsets":[0,262144]},)"
                         R"("b":{"dtype":"F32","shape":[65536],"data_offsets":[262144,524288]}})",
                         std::string(2 * kBytes, 'x')));
  const SafetensorsCheckpoint checkpoint(dir.path());
  const StoredTensor a = checkpoint.stored("a"), b = checkpoint.stored("b");
  touch(a.data, a.bytes);
  touch(b.data, b.bytes);
  const size_t before = resident_bytes(a.data);
  ASSERT_GE(before, 2 * kBytes);
  checkpoint.release(a);
  const size_t after = resident_bytes(a.data);
  EXPECT_LE(after, before - kBytes / 2);
  EXPECT_GE(after, kBytes) << "the other one stays";
}

TEST(SafetensorsCheckpoint, ShardsAreFoundThroughTheIndex) {
  const TempDir dir;
  write_file(dir / "x.safetensors", kOne);
  write_file(dir / "y.safetensors", kOther);
  write_index(dir.path(), {{"a", "x.safetensors"}, {"b", "y.safetensors"}});
  const SafetensorsCheckpoint checkpoint(dir.path());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b"}));
  const StoredTensor b = checkpoint.stored("b");
  EXPECT_EQ(b.file, dir / "y.safetensors");
  EXPECT_EQ(std::string(static_cast<const char*>(b.data), b.bytes), "abcdefgh");
}

TEST(SafetensorsCheckpoint, IsCompleteWhenEveryFileIsThere) {
  const TempDir dir;
  EXPECT_FALSE(SafetensorsCheckpoint::complete(dir.path()));
  write_index(dir.path(), {{"a", "x.safetensors"}, {"b", "y.safetensors"}});
  write_file(dir / "x.safetensors", kOne);
  EXPECT_FALSE(SafetensorsCheckpoint::complete(dir.path()));
  write_file(dir / "y.safetensors", "not looked at");
  EXPECT_TRUE(SafetensorsCheckpoint::complete(dir.path()));
  std::filesystem::create_symlink("model.safetensors", dir / "model.safetensors");
  EXPECT_FALSE(SafetensorsCheckpoint::complete(dir.path())) << "it leads to itself";
}

TEST(SafetensorsCheckpoint, RefusesDamagedFilesByName) {
  const struct {
    const char* id;
    std::string bytes;
    const char* reason;
  } cases[] = {
      {"an empty file", "", "0 bytes are no safetensors"},
      {"seven bytes", "1234567", "7 bytes are no safetensors"},
      {"a header of length 0", length_prefix(0) + kOne, "header of 0 bytes"},
      {"a header longer than the file", length_prefix(1000) + "{}", "truncated?"},
      {"a header of length 2^64-1", length_prefix(~uint64_t{0}) + "{}",
       "18446744073709551615 bytes, must be"},
      {"a header of 100 MB + 1", length_prefix(100'000'001) + "{}", "100000001 bytes, must be"},
      {"a file cut", kOne.substr(0, kOne.size() - 1), "truncated?"},
      {"bytes after the last tensor", kOne + "PK", "2 bytes follow"}};
  for (const auto& c : cases) {
    const TempDir dir;
    write_file(dir / "model.safetensors", c.bytes);
    EXPECT_THAT(why_refused(dir.path()), AllOf(HasSubstr("model.safetensors"), HasSubstr(c.reason)))
        << c.id;
  }
}

TEST(SafetensorsCheckpoint, RefusesAFileTruncatedAnywhere) {
  const std::string whole = read_file(tiny_model("llama2") / "model.safetensors");
  for (size_t percent = 0; percent < 100; ++percent) {
    const TempDir dir;
    write_file(dir / "model.safetensors", whole.substr(0, whole.size() * percent / 100));
    EXPECT_THAT(why_refused(dir.path()), HasSubstr("model.safetensors")) << percent << " %";
  }
}

TEST(SafetensorsCheckpoint, ShardsOutsideTheDirectoryAreRefused) {
  for (const char* file :
       {"../../x.safetensors", "/etc/passwd", "/dev/zero", "", ".", "..", "sub/x.safetensors"}) {
    const TempDir dir;
    write_index(dir.path(), {{"a", file}});
    EXPECT_THAT(why_refused(dir.path()),
                AllOf(HasSubstr("weight_map.a"), HasSubstr("name of a file")))
        << file;
  }
}

TEST(SafetensorsCheckpoint, OnlyRegularFilesAreOpened) {
  const TempDir dir;
  write_index(dir.path(), {{"a", "shard"}});
  ASSERT_EQ(mkfifo((dir / "shard").c_str(), 0600), 0);
  EXPECT_THAT(why_refused(dir.path()), HasSubstr("not a regular file"));
  fs::remove(dir / "shard");
  fs::create_directory(dir / "shard");
  EXPECT_THAT(why_refused(dir.path()), HasSubstr("not a regular file"));
  fs::remove(dir / "shard");
  EXPECT_THAT(why_refused(dir.path()), HasSubstr("file is missing"));
}

// A link is a decision of whoever made the directory.
TEST(SafetensorsCheckpoint, LinksMayLeadAnywhereButToThemselves) {
  const TempDir root;
  write_file(root / "outside.safetensors", kOne);
  const fs::path dir = root / "model", snapshot = root / "cache/models--a--b/snapshots/0123",
                 blobs = root / "cache/models--a--b/blobs";
  for (const fs::path& made : {dir, snapshot, blobs}) fs::create_directories(made);
  fs::create_symlink(root / "outside.safetensors", dir / "model.safetensors");
  EXPECT_TRUE(SafetensorsCheckpoint(dir).has("a"));
  fs::remove(dir / "model.safetensors");
  fs::create_symlink("model.safetensors", dir / "model.safetensors");
  EXPECT_THAT(why_refused(dir), HasSubstr("model.safetensors"));  // a loop
  fs::remove(dir / "model.safetensors");
  write_file(dir / "other", kOne);
  fs::create_symlink("other", dir / "model.safetensors");
  EXPECT_TRUE(SafetensorsCheckpoint(dir).has("a"));
  write_file(blobs / "abc", kOne);
  fs::create_symlink("../../blobs/abc", snapshot / "model.safetensors");
  EXPECT_TRUE(SafetensorsCheckpoint(snapshot).has("a"));
  fs::remove(snapshot / "model.safetensors");
  fs::create_symlink(root / "nowhere", snapshot / "model.safetensors");
  EXPECT_THAT(why_refused(snapshot), HasSubstr("file is missing"));
}

TEST(SafetensorsCheckpoint, IndexAndShardsMustAgree) {
  const TempDir dir;
  write_file(dir / "x.safetensors", kOne);
  write_file(dir / "y.safetensors", kOne);
  write_index(dir.path(), {{"a", "x.safetensors"}, {"b", "x.safetensors"}});
  EXPECT_THAT(why_refused(dir.path()),
              AllOf(HasSubstr("\"b\""), HasSubstr("is not in x.safetensors")));
  write_index(dir.path(), {{"a", "x.safetensors"}, {"b", "y.safetensors"}});
  EXPECT_THAT(why_refused(dir.path()),
              AllOf(HasSubstr("\"a\" is also in"), HasSubstr("y.safetensors")));
  for (const nlohmann::json& map :
       {nlohmann::json::object(), nlohmann::json(3), nlohmann::json{{"a", 3}}}) {
    write_index(dir.path(), map);
    EXPECT_THAT(why_refused(dir.path()), HasSubstr("weight_map")) << map;
  }
}

TEST(SafetensorsCheckpoint, ADirectoryWithoutSafetensorsIsRefused) {
  const TempDir dir;
  write_file(dir / "pytorch_model.bin", "PK");
  EXPECT_THAT(why_refused(dir.path()), HasSubstr("neither model.safetensors nor"));
}

TEST(SafetensorsCheckpoint, TypesThatEmberDoesNotReadHaveNoFormat) {
  const TempDir dir;
  write_file(dir / "model.safetensors",
             safetensors(R"({"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}} )", "12345678"));
  const StoredTensor a = SafetensorsCheckpoint(dir.path()).stored("a");
  EXPECT_EQ(a.format, std::nullopt);
  EXPECT_EQ(a.bytes, 8u);
}

}  // namespace
}  // namespace ember
