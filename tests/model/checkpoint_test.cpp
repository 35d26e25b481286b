// SPDX-License-Identifier: Apache-2.0
#include "ember/model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/temp_model.h"

namespace ember {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// One tensor "a" [2, 3] of one type.
class OneTensor final : public Checkpoint {
 public:
  OneTensor(std::string type, std::optional<WeightFormat> format)
      : type_(std::move(type)), format_(format) {}
  const std::filesystem::path& path() const override { return path_; }
  std::vector<std::string> names() const override { return {"a"}; }
  bool has(std::string_view name) const override { return name == "a"; }
  StoredTensor stored(std::string_view) const override {
    return {.type = type_, .format = format_, .shape = {2, 3}, .bytes = 24, .file = path_ / "file"};
  }
  size_t total_bytes() const override { return 24; }

 private:
  const std::filesystem::path path_ = "directory";
  const std::string type_;
  const std::optional<WeightFormat> format_;
};

TEST(Checkpoint, ATensorIsWantedWithItsShapeInATypeThatEmberReads) {
  const OneTensor floats("F32", WeightFormat::kF32), integers("I32", std::nullopt);
  const auto why = [](const Checkpoint& checkpoint, const char* name, std::vector<int64_t> shape) {
    return refusal([&] { checkpoint.tensor(name, shape); });
  };
  EXPECT_EQ(floats.tensor("a", std::vector<int64_t>{2, 3}).bytes, 24u);
  EXPECT_THAT(why(floats, "z", {2}),
              AllOf(HasSubstr("directory: "), HasSubstr("tensor \"z\" of shape [2] is missing")));
  EXPECT_THAT(why(floats, "a", {2}),
              AllOf(HasSubstr("file: "), HasSubstr("expected shape [2], found [2, 3]")));
  EXPECT_THAT(why(integers, "a", {2, 3}), HasSubstr("expected F32, F16 or BF16, found I32"));
}

}  // namespace
}  // namespace ember
