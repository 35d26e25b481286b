// SPDX-License-Identifier: Apache-2.0
#include "ember/base/files.h"

#include <gtest/gtest.h>

#include "base/temp_dir.h"

namespace ember {
namespace {

TEST(Files, ReadsAllBytes) {
  const test::TempDir dir;
  const std::string bytes = std::string("a\0b\r\n\xFF", 6);
  dir.write("a", bytes);
  dir.write("empty", "");
  EXPECT_EQ(read_text_file(dir.path() / "a", 6).value(), bytes);
  EXPECT_EQ(read_text_file(dir.path() / "empty", 0).value(), "");
}

TEST(Files, ErrorsNameTheFileAndTheReason) {
  const test::TempDir dir;
  dir.write("long", std::string(11, 'x'));
  const auto error = [&](const char* name, std::string_view noun = "file") {
    const auto text = read_text_file(dir.path() / name, 10, noun);
    return text.ok() ? Error{} : text.error();
  };
  const auto at = [&](const char* name) { return (dir.path() / name).string() + ": "; };
  EXPECT_EQ(error("absent").message, at("absent") + "file does not exist");
  EXPECT_EQ(error("absent").kind, ErrorKind::kNotFound);
  EXPECT_EQ(error("long").message, at("long") + "file has 11 bytes, at most 10 are read");
  EXPECT_EQ(error("long", "key file").message,
            at("long") + "key file has 11 bytes, at most 10 are read");
  EXPECT_EQ(error("").message, at("") + "file is not a regular file");
  EXPECT_EQ(error("").kind, ErrorKind::kInvalid);
}

TEST(Files, NoNameOrLinkThrows) {
  const test::TempDir dir;
  dir.write("file", "text");
  std::filesystem::create_symlink("file", dir / "link");
  std::filesystem::create_symlink("nothing", dir / "dangling");
  std::filesystem::create_symlink("itself", dir / "itself");
  const std::string long_name(300, 'x');
  struct Case {
    std::string name;
    bool exists, is_file;
    const char* reading;  // the end of the message
  };
  for (const Case& c :
       std::vector<Case>{{"file", true, true, ""},
                         {"link", true, true, ""},
                         {"absent", false, false, "file does not exist"},
                         {"file/below", false, false, "file does not exist"},
                         {"dangling", true, false, "file does not exist"},
                         {"itself", true, false, "Too many levels of symbolic links"},
                         {long_name, true, false, "File name too long"}}) {
    const std::filesystem::path path = dir / c.name;
    EXPECT_EQ(path_exists(path), c.exists) << c.name;
    EXPECT_EQ(path_is_file(path), c.is_file) << c.name;
    EXPECT_FALSE(path_is_directory(path)) << c.name;
    EXPECT_FALSE(list_directory(path).ok()) << c.name;
    const Result<std::string> text = read_text_file(path, 10);
    EXPECT_EQ(text.ok(), c.is_file) << c.name;
    const std::string message = text.ok() ? "" : text.error().message;
    EXPECT_TRUE(message.ends_with(c.reading)) << message;
  }
  EXPECT_EQ(resolved_path(dir / "link"), resolved_path(dir / "file"));
  EXPECT_EQ(resolved_path(dir / "itself"), dir / "itself");
}

TEST(Files, ADirectoryIsListedInOrder) {
  const test::TempDir dir;
  for (const char* name : {"b", "a", "c"}) dir.write(name, "");
  EXPECT_TRUE(path_is_directory(dir.path()));
  EXPECT_EQ(list_directory(dir.path()).value(),
            (std::vector<std::filesystem::path>{dir / "a", dir / "b", dir / "c"}));
  EXPECT_EQ(list_directory(dir / "absent").error().message,
            (dir / "absent").string() + ": directory cannot be read: No such file or directory");
}

}  // namespace
}  // namespace ember
