// SPDX-License-Identifier: Apache-2.0
#include "ember/model/gguf_file.h"

#include <gmock/gmock.h>

#include "model/gguf_writer.h"
#include "model/temp_model.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(GgufFile, HasTheBytesOfATensor) {
  const TempDir dir;
  write_file(dir / "a.gguf", test::GgufWriter().tensor("t", {2}, 0, "12345678").bytes());
  const GgufFile file(dir / "a.gguf");
  const GgufTensor& tensor = file.header().tensors.at("t");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.data(tensor)), 8), "12345678");
}

TEST(GgufFile, ABrokenFileIsNamed) {
  const TempDir dir;
  for (const char* bytes : {"", "GGU", "GGUF", "PK\3\4 an archive"}) {
    write_file(dir / "a.gguf", bytes);
    EXPECT_THAT(refusal([&] { GgufFile{dir / "a.gguf"}; }), HasSubstr("a.gguf: "));
  }
  EXPECT_THAT(refusal([&] { GgufFile{dir / "b.gguf"}; }),
              AllOf(HasSubstr("b.gguf"), HasSubstr("file is missing")));
}

}  // namespace
}  // namespace ember
