// SPDX-License-Identifier: Apache-2.0
#include "http/deadlines.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

constexpr TimePoint at(int seconds) { return TimePoint(std::chrono::seconds(seconds)); }

TEST(Deadlines, ComeInTheirOrder) {
  Deadlines deadlines;
  EXPECT_EQ(deadlines.earliest(), kNever);
  EXPECT_FALSE(deadlines.due(kNever));
  deadlines.set(7, at(3));
  deadlines.set(8, at(1));
  deadlines.set(9, at(2));
  EXPECT_EQ(deadlines.earliest(), at(1));
  EXPECT_FALSE(deadlines.due(at(0)));
  EXPECT_EQ(deadlines.due(at(1)), 8);
  EXPECT_EQ(deadlines.due(at(5)), 8) << "until it is set or removed";
  deadlines.remove(8);
  EXPECT_EQ(deadlines.due(at(5)), 9);
  EXPECT_EQ(deadlines.earliest(), at(2));
}

TEST(Deadlines, ASocketHasOne) {
  Deadlines deadlines;
  deadlines.set(7, at(1));
  deadlines.set(7, at(4));
  deadlines.set(8, at(4));
  EXPECT_FALSE(deadlines.due(at(3)));
  deadlines.remove(7);
  deadlines.remove(7);
  deadlines.remove(6);
  EXPECT_EQ(deadlines.due(at(4)), 8);
  deadlines.remove(8);
  EXPECT_EQ(deadlines.earliest(), kNever);
}

}  // namespace
}  // namespace ember
