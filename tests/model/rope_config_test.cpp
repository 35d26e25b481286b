// SPDX-License-Identifier: Apache-2.0
#include "rope_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/temp_model.h"

namespace ember {
namespace {

using nlohmann::json;
using testing::HasSubstr;

DecoderConfig heads_of(int head_dim, int max_position) {
  DecoderConfig decoder;
  decoder.head_dim = head_dim;
  decoder.max_position = max_position;
  decoder.ropes.resize(1);
  return decoder;
}

DecoderConfig read_one(const json& fields) {
  DecoderConfig decoder = heads_of(16, 128);
  read_rope({"config.json", "", fields}, decoder);
  return decoder;
}

DecoderConfig read_two(const json& fields) {
  DecoderConfig decoder = heads_of(16, 128);
  read_global_and_local_rope({"config.json", "", fields}, decoder);
  return decoder;
}

TEST(RopeConfig, BothLayoutsSayTheSame) {
  const DecoderConfig five = read_one({{"rope_parameters",
                                        {{"rope_type", "linear"},
                                         {"factor", 2},
                                         {"rope_theta", 5e5},
                                         {"partial_rotary_factor", 0.5}}}}),
                      four = read_one({{"rope_scaling", {{"type", "linear"}, {"factor", 2}}},
                                       {"rope_theta", 5e5},
                                       {"partial_rotary_factor", 0.5}});
  for (const DecoderConfig& decoder : {five, four}) {
    EXPECT_EQ(decoder.ropes[0].scaling, RopeScaling::kLinear);
    EXPECT_EQ(decoder.ropes[0].theta, 5e5);
    EXPECT_EQ(decoder.ropes[0].rotary_dim, 8);
    EXPECT_EQ(decoder.max_position, 256);
  }
}

json long_rope() {
  return {{"rope_type", "longrope"}, {"short_factor", json(8, 1.5)}, {"long_factor", json(8, 3.0)}};
}

TEST(RopeConfig, LongropeTakesItsOriginalContextFromWhereverItIs) {
  json scaling = long_rope();
  const RopeConfig beside =
      read_one({{"rope_scaling", scaling}, {"original_max_position_embeddings", 32}}).ropes[0];
  EXPECT_EQ(beside.scaling, RopeScaling::kLongRope);
  EXPECT_EQ(std::tuple(beside.original_max_position, beside.factor), std::tuple(32, 4.0));
  EXPECT_EQ(beside.divisors, std::vector<float>(8, 1.5f));
  EXPECT_EQ(beside.long_divisors, std::vector<float>(8, 3));
  scaling["original_max_position_embeddings"] = 64;
  scaling["factor"] = 16;
  scaling["attention_factor"] = 1.25;
  const DecoderConfig inside = read_one({{"rope_parameters", scaling}});
  EXPECT_EQ(std::tuple(inside.ropes[0].original_max_position, inside.ropes[0].factor,
                       inside.ropes[0].attention_factor.value(), inside.max_position),
            std::tuple(64, 16.0, 1.25, 128))
      << "max_position_embeddings is the long context already";
  for (const char* type : {"su", "yarn"}) {  // as older files call it
    scaling["rope_type"] = type;
    EXPECT_EQ(read_one({{"rope_scaling", scaling}}).ropes[0].scaling, RopeScaling::kLongRope)
        << type;
  }
  scaling["original_max_position_embeddings"] = 1;
  EXPECT_THAT(refusal([&] { read_one({{"rope_parameters", scaling}}); }),
              HasSubstr("\"rope_parameters.original_max_position_embeddings\": expected more"));
}

TEST(RopeConfig, TwoRopesHaveABaseEachAndOneScaling) {
  const json scaling = {{"rope_type", "linear"}, {"factor", 8}};
  const json full = {{"rope_type", "linear"}, {"factor", 8}, {"rope_theta", 1e6}},
             sliding = {{"rope_type", "default"}, {"rope_theta", 1e4}};
  const DecoderConfig five =
                          read_two({{"rope_parameters",
                                     {{"full_attention", full}, {"sliding_attention", sliding}}}}),
                      four = read_two({{"rope_theta", 1e6},
                                       {"rope_local_base_freq", 1e4},
                                       {"rope_scaling", scaling}});
  for (const DecoderConfig& decoder : {five, four}) {
    ASSERT_EQ(decoder.ropes.size(), 2u);
    EXPECT_EQ(std::tuple(decoder.ropes[0].theta, decoder.ropes[0].scaling, decoder.ropes[0].factor),
              std::tuple(1e6, RopeScaling::kLinear, 8.0));
    EXPECT_EQ(std::tuple(decoder.ropes[1].theta, decoder.ropes[1].scaling),
              std::tuple(1e4, RopeScaling::kNone));
    EXPECT_EQ(decoder.max_position, 128) << "has the scaling in it";
  }
  EXPECT_THAT(refusal([&] { read_two({{"rope_parameters", full}}); }),
              HasSubstr("\"rope_parameters\": expected an object with \"full_attention\""));
  EXPECT_THAT(
      refusal([&] {
        read_two({{"rope_parameters",
                   {{"full_attention", {{"rope_theta", 0}}}, {"sliding_attention", sliding}}}});
      }),
      HasSubstr("\"rope_parameters.full_attention.rope_theta\""));
}

TEST(RopeConfig, InterleavingIsTheFamilys) {
  DecoderConfig decoder = heads_of(16, 128);
  decoder.ropes[0].interleaved = true;
  read_rope({"config.json", "", json::object()}, decoder);
  EXPECT_TRUE(decoder.ropes[0].interleaved);
  EXPECT_EQ(decoder.ropes[0].rotary_dim, 16);
}

}  // namespace
}  // namespace ember
