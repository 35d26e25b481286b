// SPDX-License-Identifier: Apache-2.0
#include "api/logit_bias.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace ember {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(LogitBias, IdsComeInAscendingOrder) {
  const Json body = {{"logit_bias", {{"7", 5}, {"3", -1}, {"499", 100}}}};
  FieldReader fields(body);
  EXPECT_THAT(read_logit_bias(fields, 500),
              ElementsAre(Pair(3, -1.0f), Pair(7, 5.0f), Pair(499, 100.0f)));
  EXPECT_TRUE(fields.ok());
  const Json none = Json::object();
  FieldReader absent(none);
  EXPECT_TRUE(read_logit_bias(absent, 500).empty());
  EXPECT_TRUE(absent.ok());
}

TEST(LogitBias, AFaultNamesTheLimits) {
  Json many = Json::object();
  for (int i = 0; i < 1025; ++i) many[std::to_string(i)] = 1;
  for (const Json& value :
       {Json(5), Json{{"500", 1}}, Json{{"-1", 1}}, Json{{"-0", 1}}, Json{{"x", 1}}, Json{{"", 1}},
        Json{{"1 ", 1}}, Json{{"1", 101}}, Json{{"1", "1"}}, Json{{"1", 1}, {"2", -101}}, many}) {
    const Json body = {{"logit_bias", value}};
    FieldReader fields(body);
    read_logit_bias(fields, 500);
    ASSERT_FALSE(fields.ok()) << value;
    EXPECT_EQ(fields.error().message,
              "logit_bias must map token ids from 0 to 499 to numbers from -100 to 100, at most "
              "1024 of them.");
  }
}

}  // namespace
}  // namespace ember
