// SPDX-License-Identifier: Apache-2.0
#include "ember/model/mapped_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/resident.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using testing::HasSubstr;

TEST(MappedFile, IsTheFilesBytes) {
  const TempDir dir;
  write_file(dir / "file", "12345678");
  MappedFile file(dir / "file");
  const MappedFile moved(std::move(file));
  EXPECT_EQ(moved.path(), dir / "file");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(moved.bytes().data()), moved.bytes().size()),
            "12345678");
  write_file(dir / "empty", "");
  EXPECT_TRUE(MappedFile(dir / "empty").bytes().empty());
}

TEST(MappedFile, OnlyARegularFileIsMapped) {
  const TempDir dir;
  EXPECT_THAT(refusal([&] { MappedFile{dir / "absent"}; }), HasSubstr("file is missing"));
  EXPECT_THAT(refusal([&] { MappedFile{dir.path()}; }), HasSubstr("not a regular file"));
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(refusal([&] { MappedFile{dir / "fifo"}; }), HasSubstr("not a regular file"));
}

TEST(MappedFile, WhatIsReleasedLeavesMemoryAndIsReadAgain) {
  const TempDir dir;
  std::string bytes(1000000, 'a');
  bytes[500000] = 'b';
  write_file(dir / "a", bytes);
  const MappedFile file(dir / "a");
  const auto text = [&] {
    return std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  };
  EXPECT_TRUE(text() == bytes);
  const void* const address = file.bytes().data();
  const size_t whole = resident_bytes(address);
  EXPECT_GE(whole, bytes.size());
  MappedFile::release(file.bytes().first(0));
  EXPECT_EQ(resident_bytes(address), whole);
  MappedFile::release(file.bytes().subspan(1000, 900000));
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE)), rest = resident_bytes(address);
  EXPECT_LE(whole - rest, 900000u) << "neighbours share its first and last page";
  EXPECT_GT(whole - rest, 900000 - 2 * page);
  EXPECT_TRUE(text() == bytes);
  MappedFile::release(file.bytes());
  EXPECT_LE(resident_bytes(address), page);
}

}  // namespace
}  // namespace ember
