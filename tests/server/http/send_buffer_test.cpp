// SPDX-License-Identifier: Apache-2.0
#include "http/send_buffer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ember {
namespace {

using Outcome = SendBuffer::Outcome;

struct Pair {
  Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0); }
  ~Pair() {
    ::close(ends[0]);
    if (ends[1] >= 0) ::close(ends[1]);
  }
  std::string read_all() {
    std::string all;
    char part[65536];
    for (ssize_t n; (n = ::recv(ends[1], part, sizeof part, 0)) > 0;)
      all.append(part, static_cast<size_t>(n));
    return all;
  }
  int ends[2];
};

TEST(SendBuffer, SendsEverythingInOrderAsTheReaderMakesRoom) {
  Pair pair;
  std::string expected;
  for (int i = 0; i < 500000; ++i) expected += std::to_string(i) + ' ';
  SendBuffer out{.bytes = expected};
  ASSERT_EQ(out.send_to(pair.ends[0]), Outcome::kFull);
  EXPECT_LT(out.num_left(), expected.size());
  EXPECT_GT(out.num_left(), 0u);
  std::string received;
  while (out.send_to(pair.ends[0]) == Outcome::kFull) received += pair.read_all();
  received += pair.read_all();
  EXPECT_EQ(received, expected);
  EXPECT_EQ(out.num_left(), 0u);
  EXPECT_TRUE(out.bytes.empty());
  EXPECT_EQ(out.send_to(pair.ends[0]), Outcome::kSent) << "nothing to do";
}

TEST(SendBuffer, ABrokenConnectionShows) {
  Pair pair;
  ::close(pair.ends[1]);
  pair.ends[1] = -1;
  SendBuffer out{.bytes = "a"};
  EXPECT_EQ(out.send_to(pair.ends[0]), Outcome::kBroken);
}

}  // namespace
}  // namespace ember
