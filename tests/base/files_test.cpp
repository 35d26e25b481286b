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

}  // namespace
}  // namespace ember
